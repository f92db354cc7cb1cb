#include "core/epoch.h"

#include "residency.h"

using namespace tslab;
using namespace tslab::test;

namespace {

std::uint32_t epoch_of_slot(const void* slot) { return epoch_of(slab_of(slot).home.load()); }

}  // namespace

TEST_CASE("what is allocated after an epoch's end shares no slab with what was before", "[epoch]") {
    start_core();
    options.budget = {100};
    options.epoch_bytes = kTiB;
    std::set<Slab*> before;
    auto first = get_many(1000, 100);
    pass_once();
    for (const void* slot : first) before.insert(&slab_of(slot));
    const auto closed = epochs.current();
    epochs.advance();
    own_heap().renew();
    auto second = get_many(1000, 100);
    for (const void* slot : second) {
        CHECK(before.count(&slab_of(slot)) == 0);
        CHECK(epoch_of_slot(slot) == closed + 1);
    }
    CHECK(epochs.record(closed)->closed_ms.get() != 0);
    CHECK(epochs.use(closed).live_objects == 1000);
    CHECK(epochs.use(closed + 1).live_objects == 1000);
    CHECK(own_heap().is_valid());
    put_all(first);
    put_all(second);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("epochs close on the clock of bytes, later the more memory is in use", "[epoch]") {
    start_core();
    options.epoch_bytes = std::size_t{1} << 20;
    const auto before = epochs.current();
    std::uint64_t clocked = 0;
    for (int i = 0; i < 200; i++, clocked += 2 * 100 * 512) {
        auto slots = get_many(100, 500);
        put_all(slots);
    }
    const auto passed = epochs.current() - before;
    CHECK(passed > 0);
    CHECK(passed <= clocked / options.epoch_bytes + 1);
    options.epoch_bytes = 0;
    CHECK(epochs.length() >= kLeastEpochBytes);
    auto many = get_many(100000, 700);
    CHECK(epochs.length() >= kEpochFactor * 100000 * 700);
    put_all(many);
}

TEST_CASE("closed slabs are filled up beyond the budget only, the fullest first", "[epoch]") {
    start_core();
    options.epoch_bytes = kTiB;
    options.reclaim = Reclaiming::off;
    const std::size_t bytes = 256;
    const unsigned c = class_of(bytes);
    auto slots = get_many(200 * class_slots(c), bytes);
    std::map<Slab*, std::vector<void*>> by_slab;
    for (void* slot : slots) by_slab[&slab_of(slot)].push_back(slot);
    epochs.advance();
    own_heap().renew();
    // Every slab loses a few slots or most of them.
    bool sparse = false;
    std::set<Slab*> sparse_slabs;
    for (auto& [slab, own] : by_slab) {
        const std::size_t kept = sparse ? 24 : own.size() - 12;
        if (sparse) sparse_slabs.insert(slab);
        for (; own.size() > kept; own.pop_back()) put(own.back());
        sparse = !sparse;
    }
    own_heap().renew();

    options.budget = {100};
    pass_once();
    REQUIRE_FALSE(reclaim.is_over_budget(c));
    auto in_new = get_many(200, bytes);
    for (const void* slot : in_new) CHECK(by_slab.count(&slab_of(slot)) == 0);

    options.budget = {0};
    pass_once();
    REQUIRE(reclaim.is_over_budget(c));
    const auto refilled = figure(Figure::slabs_refilled);
    const auto opened = figure(Figure::slabs_opened) + figure(Figure::slabs_reopened);
    own_heap().renew();
    auto in_old = get_many(500, bytes);
    std::size_t in_sparse = 0;
    for (const void* slot : in_old) in_sparse += sparse_slabs.count(&slab_of(slot));
    CHECK(in_sparse == 0);
    CHECK(figure(Figure::slabs_refilled) > refilled);
    CHECK(figure(Figure::slabs_opened) + figure(Figure::slabs_reopened) - opened <=
          region.slabs_per_block(c));
    CHECK(own_heap().is_valid());

    put_all(in_new);
    put_all(in_old);
    for (auto& [slab, own] : by_slab) put_all(own);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

namespace {

// So many slabs' worth of objects, those of slabs that are full of them by slab, while the stack is full too.
class FullSlabs {
  public:
    static constexpr std::size_t bytes = 256;
    static constexpr unsigned c = class_of(bytes);

    explicit FullSlabs(unsigned count) {
        for (void* slot : get_many(std::size_t{count} * class_slots(c), bytes))
            by_slab_[&slab_of(slot)].push_back(slot);
        const Slab* const current = own_heap().bin(c).current;
        for (auto& [slab, own] : by_slab_) {
            if (slab != current && own.size() == class_slots(c)) full_.push_back(slab);
        }
        REQUIRE(full_.size() >= 3);
        for (std::size_t from = 1; !own_heap().bin(c).is_full();)
            by_slab_[full_[from]].empty() ? void(from++) : free_in(*full_[from]);
    }
    ~FullSlabs() {
        for (auto& [slab, own] : by_slab_) put_all(own);
    }

    Slab& one() const { return *full_[0]; }
    void free_in(Slab& slab) {
        put(by_slab_[&slab].back());
        by_slab_[&slab].pop_back();
    }

  private:
    std::map<Slab*, std::vector<void*>> by_slab_;
    std::vector<Slab*> full_;
};

}  // namespace

TEST_CASE("of many slabs a sparse one is left before its epoch closes, until it is the fullest to be filled",
          "[epoch]") {
    start_core();
    options.epoch_bytes = kTiB;
    options.reclaim = Reclaiming::off;
    options.budget = {100};
    trim();
    {
        FullSlabs slabs(2 * kManySlabs);
        const unsigned c = FullSlabs::c;
        pass_once();
        REQUIRE_FALSE(reclaim.is_over_budget(c));
        Slab& slab = slabs.one();
        const Home open = own_heap().own_bins().home.get();
        const auto refilled = figure(Figure::slabs_refilled);
        while (slab.room.get() < sparse_at(c)) {
            REQUIRE(slab.home.load() == open);
            slabs.free_in(slab);
        }
        if (region.slabs_per_block(c) > 1) {  // its pages would not empty
            CHECK(slab.home.load() == open);
            return;
        }
        CHECK(slab.home.load() == (open | kRetired));
        CHECK(epoch_of(slab.home.load()) == epoch_of(open));
        CHECK(heap_of(slab.home.load()) == heap_of(open));

        // What is freed into it now goes to the slab, though there is room on the stack.
        void* const taken = get(FullSlabs::bytes);
        slabs.free_in(slab);
        CHECK(slab.room.get() == sparse_at(c) + 1);
        put(taken);
        auto others = get_many(4 * class_slots(c), FullSlabs::bytes);
        for (const void* slot : others) CHECK(&slab_of(slot) != &slab);

        options.budget = {0};
        pass_once();
        auto in_it = get_many(2 * class_slots(c), FullSlabs::bytes);
        CHECK(slab.home.load() == open);
        CHECK(figure(Figure::slabs_refilled) == refilled);  // it is of this epoch
        CHECK(own_heap().is_valid());
        put_all(others);
        put_all(in_it);
    }
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("of few slabs none is left before its epoch closes", "[epoch]") {
    start_core();
    options.epoch_bytes = kTiB;
    {
        FullSlabs slabs(kManySlabs / 2);
        Slab& slab = slabs.one();
        const Home open = own_heap().own_bins().home.get();
        for (unsigned i = 0; i < sparse_at(FullSlabs::c) + 4; i++) slabs.free_in(slab);
        CHECK(slab.room.get() >= sparse_at(FullSlabs::c));
        CHECK(slab.home.load() == open);
        CHECK(own_heap().is_valid());
    }
    CHECK(live_slots() == 0);
}

TEST_CASE("a new slab is not taken for a sparse one", "[epoch]") {
    start_core();
    options.epoch_bytes = kTiB;
    trim();
    {
        FullSlabs slabs(2 * kManySlabs);
        const unsigned c = FullSlabs::c;
        if (region.slabs_per_block(c) > 1 || region.pages_per_block(c) == 1) return;
        // Until the current slab is one of which only the first page has memory.
        std::vector<void*> more;
        const auto is_new = [&](const Slab& slab) {
            return !slab.purged.get() && own_heap().bin(c).held() == 0 &&
                   slab.room.get() + kUsualStackSlots / 2 == class_slots(c);
        };
        do more.push_back(get(FullSlabs::bytes));
        while (!is_new(*own_heap().bin(c).current));
        Slab& fresh = *own_heap().bin(c).current;
        const Home open = fresh.home.load();
        // Another has a slot with memory, and is taken from first.
        while (!own_heap().bin(c).is_full()) slabs.free_in(slabs.one());
        slabs.free_in(slabs.one());
        while (own_heap().bin(c).current == &fresh) more.push_back(get(FullSlabs::bytes));
        CHECK(fresh.room.get() >= sparse_at(c));
        CHECK(fresh.home.load() == open);
        // It is what is left, before a newer one.
        const auto opened = figure(Figure::slabs_opened) + figure(Figure::slabs_reopened);
        while (own_heap().bin(c).current != &fresh) more.push_back(get(FullSlabs::bytes));
        CHECK(figure(Figure::slabs_opened) + figure(Figure::slabs_reopened) == opened);
        CHECK(own_heap().is_valid());
        put_all(more);
    }
    CHECK(live_slots() == 0);
}

TEST_CASE("memory does not grow while the numbers of objects of the classes wander", "[epoch]") {
    start_core();
    options.epoch_bytes = 0;
    options.reclaim = Reclaiming::normal;
    options.budget = {2};
    trim();
    std::mt19937_64 random(seed());
    const auto size = [&] { return 64 + random() % (768 - 64 + 1); };
    constexpr std::size_t live_bytes = 30000 * std::size_t{416};
    std::vector<std::pair<void*, std::size_t>> held;
    std::size_t live = 0;
    const auto fill = [&] {
        while (live < live_bytes) {
            const std::size_t bytes = size();
            held.emplace_back(get(bytes), bytes);
            live += bytes;
        }
    };
    const auto turn_over = [&](unsigned times) {
        for (std::size_t left = times * held.size(); left-- > 0;) {
            auto& victim = held[random() % held.size()];
            put(victim.first);
            live -= victim.second;
            victim = held.back();
            held.pop_back();
            fill();
        }
    };
    fill();
    turn_over(10);
    const auto early = static_cast<double>(resident_by_figure());
    turn_over(60);
    const auto late = static_cast<double>(resident_by_figure());
    std::printf("resident of live bytes: %.4f, later %.4f\n", early / live_bytes, late / live_bytes);
    if (region.page_bytes() == 4096) {  // larger ones are shared by slabs, and seldom empty
        CHECK(late < 1.02 * early);
        CHECK(late < 1.125 * live_bytes);
    }
    CHECK(own_heap().is_valid());
    for (const auto& [slot, bytes] : held) put(slot);
    CHECK(live_slots() == 0);
}

TEST_CASE("the drain rate tells how many slabs were empty two epochs on", "[epoch]") {
    start_core();
    options.epoch_bytes = kTiB;
    const auto turn = [] {
        epochs.advance();
        own_heap().renew();
    };
    turn();
    turn();
    turn();
    turn();
    const auto judged = figure(Figure::slabs_judged);
    const auto drained = figure(Figure::slabs_drained);
    auto slots = get_many(10000, 300);
    const auto opened = epochs.record(epochs.current())->opened.load();
    CHECK(opened > 100);
    turn();
    put_all(slots);
    turn();
    CHECK(figure(Figure::slabs_judged) == judged);
    turn();
    CHECK(figure(Figure::slabs_judged) == judged + opened);
    CHECK(figure(Figure::slabs_drained) == drained + opened);
    CHECK(epochs.use(epochs.current() - 3).slabs == 0);
}

TEST_CASE("an epoch is remembered by its number until 1,024 others were opened", "[epoch]") {
    start_core();
    const auto epoch = epochs.current();
    REQUIRE(epochs.label(epoch, "a label that is longer than the forty bytes it may have"));
    char label[kLabelBytes];
    for (unsigned i = 0; i < kLabelWords; i++) {
        const Word word = epochs.record(epoch)->label[i].get();
        std::memcpy(label + i * sizeof word, &word, sizeof word);
    }
    CHECK(std::string(label) == "a label that is longer than the forty b");
    for (unsigned i = 0; i < kEpochRecords - 1; i++) epochs.advance();
    CHECK(epochs.record(epoch) != nullptr);
    epochs.advance();
    CHECK(epochs.record(epoch) == nullptr);
    CHECK_FALSE(epochs.label(epoch, "gone"));
}
