// Two threads' steps in an order chosen by hand: one stops between two of its writes, the other does its
// part.
#include <sys/wait.h>
#include <unistd.h>

#define TSLAB_LINKED
#include "core/include/temporal_slab.h"

#include "residency.h"

using namespace tslab;
using namespace tslab::test;

namespace {

// Calls `work` the first time `at` is reached, with further steps unwatched.
struct Stop {
    static inline Step at;
    static inline void (*work)() = nullptr;
    static inline bool reached;

    Stop(Step step, void (*what)()) {
        at = step;
        work = what;
        reached = false;
        options.on_misuse = OnMisuse::ignore;
        step_hook = [](Step here) {
            if (here != at || reached) return;
            reached = true;
            step_hook = nullptr;
            work();
        };
    }
    ~Stop() { step_hook = nullptr; }
};

void* shared_slot;
void* other_slot;
std::vector<void*> shared_slots;

// Two live slots of one slab that is not current.
void take_pair() {
    shared_slots = get_many(200, 256);
    shared_slot = shared_slots[70];
    other_slot = shared_slots[71];
    REQUIRE(&slab_of(shared_slot) == &slab_of(other_slot));
    shared_slots.erase(shared_slots.begin() + 70, shared_slots.begin() + 72);
}

void give_back_rest() {
    put_all(shared_slots);
    collect(1000);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
    // Every slot can be taken again: none was lost on the way.
    std::size_t room = 0;
    const unsigned c = class_of(256);
    for (std::uint32_t i = 0; i < region.opened(c); i++) room += popcount(region.slab_at(c, i).free.get());
    room += own_heap().bin(c).held();
    CHECK(room == std::size_t{region.opened(c)} * class_slots(c));
}

}  // namespace

TEST_CASE("a double free while the slot waits on the stack", "[interleaving]") {
    start_core();
    options.on_misuse = OnMisuse::ignore;
    void* const slot = get(256);
    put(slot);
    const auto before = figure(Figure::double_frees);
    put(slot);
    elsewhere([=] { put(slot); });
    CHECK(figure(Figure::double_frees) == before + 2);
    void* const first = get(256);
    void* const second = get(256);
    CHECK(first == slot);
    CHECK(second != slot);
    put(first);
    put(second);
    give_back_rest();
}

TEST_CASE("a remote free while the owner collects the same slab", "[interleaving]") {
    start_core();
    for (const Step at : {Step::collect_popped, Step::collect_freed}) {
        take_pair();
        elsewhere([] { put(shared_slot); });
        Stop stop(at, [] { elsewhere([] { put(other_slot); }); });
        collect(1);
        CHECK(Stop::reached);
        collect(1);
        CHECK(usable_bytes(shared_slot) == 0);
        CHECK(usable_bytes(other_slot) == 0);
        give_back_rest();
    }
}

TEST_CASE("what was handed over is unused while the owner collects it", "[interleaving]") {
    start_core();
    take_pair();
    elsewhere([] { put(shared_slot); });
    const Place place = region.locate(shared_slot);
    CHECK((place.slab->unused() & place.mask()) != 0);
    Stop stop(Step::unused_asked, [] { collect(1000); });
    CHECK((place.slab->unused() & place.mask()) != 0);
    CHECK(Stop::reached);
    CHECK(place.slab->remote_free.load() == 0);
    put(other_slot);
    give_back_rest();
}

TEST_CASE("the owner collects while a remote free is half done", "[interleaving]") {
    start_core();
    for (const Step at : {Step::free_remote_tested, Step::free_remote_set, Step::free_remote_queued}) {
        take_pair();
        static Heap* owner;
        owner = &own_heap();
        Stop stop(at, [] { collect(10, *owner); });
        elsewhere([] { put(shared_slot); });
        CHECK(Stop::reached);
        collect(10);
        CHECK(usable_bytes(shared_slot) == 0);
        put(other_slot);
        give_back_rest();
    }
}

TEST_CASE("two remote frees of one slot are one free and one misuse", "[interleaving]") {
    start_core();
    for (const Step at : {Step::free_remote_tested, Step::free_remote_set, Step::free_remote_queued}) {
        take_pair();
        const auto before = figure(Figure::double_frees);
        Stop stop(at, [] { elsewhere([] { put(shared_slot); }); });
        elsewhere([] { put(shared_slot); });
        CHECK(Stop::reached);
        CHECK(figure(Figure::double_frees) == before + 1);
        put(other_slot);
        give_back_rest();
    }
}

TEST_CASE("a remote free that loses to the owner's is counted when it is collected", "[interleaving]") {
    start_core();
    take_pair();
    const auto before = figure(Figure::double_frees);
    static Heap* owner;
    owner = &own_heap();
    Stop stop(Step::free_remote_tested, [] {
        // The owner's free, as the owner does it: from here, since the owner waits for this thread.
        const Place place = region.locate(shared_slot);
        owner->free_to_slab(Held::make(static_cast<std::byte*>(shared_slot), *place.slab, place.slot));
    });
    elsewhere([] { put(shared_slot); });
    CHECK(Stop::reached);
    collect(10);
    CHECK(figure(Figure::double_frees) == before + 1);
    put(other_slot);
    give_back_rest();
}

TEST_CASE("an owner does not take from a block that a purger holds", "[interleaving]") {
    start_core();
    for (const Step at : {Step::purge_claimed, Step::purge_advised}) {
        auto slots = get_many(5000, 768);
        put_all(slots);
        static std::vector<void*> during;
        during.clear();
        Stop stop(at, [] {
            during = get_many(3000, 768);
            for (void* slot : during) std::memset(slot, 0x77, 768);
        });
        elsewhere([] { trim(); });
        // The hook ran on the trimming thread, so its slots are of that thread's heap.
        CHECK(Stop::reached);
        for (void* slot : during) {
            const auto* const content = static_cast<unsigned char*>(slot);
            REQUIRE((content[0] == 0x77 && content[767] == 0x77));
        }
        put_all(during);
        trim();
        CHECK(own_heap().is_valid());
        CHECK(live_slots() == 0);
    }
}

TEST_CASE("an owner whose listed slab is claimed takes another", "[interleaving]") {
    start_core();
    const unsigned c = class_of(256);
    auto slots = get_many(3000, 256);
    std::vector<void*> kept;
    for (std::size_t i = 0; i < slots.size(); i++) {
        if (i % 8 != 0) {
            kept.push_back(slots[i]);
        } else {
            put(slots[i]);
        }
    }
    Bin& bin = own_heap().bin(c);
    SlabNumber number = bin.first[0];
    while (number != 0 && !region.first_of_block(region.slab(number)).become_claimed(region.generation())) {
        number = region.slab(number).next.get();
    }
    REQUIRE(number != 0);
    Slab& listed = region.first_of_block(region.slab(number));
    for (int i = 0; i < 500; i++) {
        void* const slot = get(256);
        REQUIRE(slot != nullptr);
        CHECK(&region.first_of_block(slab_of(slot)) != &listed);
        kept.push_back(slot);
        if (bin.held() == 0) break;
    }
    for (int i = 0; i < 200; i++) kept.push_back(get(256));
    CHECK(own_heap().is_valid());
    listed.park(region.generation());
    put_all(kept);
    CHECK(own_heap().is_valid());
}

TEST_CASE("a purger does not touch a block that its owner has current", "[interleaving]") {
    start_core();
    for (const Step at : {Step::open_claimed, Step::take_resident, Step::take_free}) {
        auto slots = get_many(2000, 320);
        put_all(slots);
        Stop stop(at, [] { elsewhere([] { trim(); }); });
        auto again = get_many(2000, 320);
        CHECK(Stop::reached);
        for (void* slot : again) {
            const auto* const content = static_cast<unsigned char*>(slot);
            REQUIRE((content[0] == 0x5a && content[319] == 0x5a));
        }
        CHECK(resident_by_figure() >= occupied_bytes());
        put_all(again);
        CHECK(own_heap().is_valid());
    }
}

TEST_CASE("a remote free while the owner's thread ends", "[interleaving]") {
    start_core();
    static std::vector<void*> left;
    Stop stop(Step::abandon_emptied, [] { elsewhere([] { put(left[3]); }); });
    elsewhere([] { left = get_many(500, 256); });
    CHECK(Stop::reached);
    put(left[4]);
    elsewhere([] {
        collect(10);
        for (std::size_t i = 0; i < left.size(); i++) {
            if (i != 3 && i != 4) put(left[i]);
        }
        collect(10);
        CHECK(own_heap().is_valid());
    });
    CHECK(live_slots() == 0);
}

TEST_CASE("two threads acquire while a block is between owners", "[interleaving]") {
    start_core();
    for (const Step at : {Step::acquire_popped, Step::release_unowned}) {
        static std::vector<void*> theirs;
        auto slots = get_many(3000, 448);
        Stop stop(at, [] { elsewhere([] { theirs = get_many(500, 448); }); });
        put_all(slots);
        slots = get_many(3000, 448);
        CHECK(Stop::reached);
        for (void* slot : slots) std::memset(slot, 1, 448);
        for (void* slot : theirs) REQUIRE(static_cast<unsigned char*>(slot)[447] == 0x5a);
        put_all(slots);
        put_all(theirs);
        collect(1000);
        CHECK(own_heap().is_valid());
        CHECK(live_slots() == 0);
    }
}

TEST_CASE("a slab is nobody's while a thread without a heap frees into it, and its next owner's without that",
          "[interleaving]") {
    start_core();
    options.on_misuse = OnMisuse::ignore;
    auto slots = get_many(3000, 768);
    void* const slot = slots[1500];
    put_all(slots);
    Slab& slab = slab_of(slot);
    REQUIRE(heap_of(slab.home.load()) == 0);
    // As such a thread may have read it before it was freed.
    LiveSlots::Flag& live = slab.live[region.locate(slot).slot];
    live.set(1);
    std::thread([slot] {
        REQUIRE(this_thread.heap == nullptr);
        put(slot);
    }).join();
    live.set(0);
    CHECK(slab.remote_free.load() != 0);
    const auto before = figure(Figure::double_frees);
    const std::size_t most = std::size_t{region.opened(class_of(768))} * class_slots(class_of(768));
    while (heap_of(slab.home.load()) == 0 && slots.size() < most) slots.push_back(get(768));
    CHECK(slab.remote_free.load() == 0);
    CHECK(figure(Figure::double_frees) == before + 1);
    put_all(slots);
    CHECK(figure(Figure::double_frees) == before + 1);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

// The block that is opened lies behind one that a purger has, and so would prolong its run.
TEST_CASE("a block that is just being opened is not a purger's", "[interleaving]") {
    start_core();
    own_heap();
    constexpr unsigned c = class_of(736);
    REQUIRE(region.opened(c) == 0);
    void* kept = nullptr;
    elsewhere([&kept] {
        auto slots = get_many(region.slabs_per_block(c) * class_slots(c) - 2, 736);
        kept = slots[0];
        for (std::size_t i = 1; i < slots.size(); i++) put(slots[i]);
    });
    REQUIRE(region.opened(c) == region.slabs_per_block(c));

    static std::atomic<bool> advised, opened;
    static std::thread purger;
    advised = opened = false;
    step_hook = [](Step at) {
        static thread_local bool purges = false;
        if (at == Step::purge_advised && purges) {
            advised = true;
            while (!opened) std::this_thread::yield();
        }
        if (at == Step::acquire_popped && !purges && !purger.joinable()) {
            purger = std::thread([] {
                purges = true;
                trim();
                advised = true;
            });
            while (!advised) std::this_thread::yield();
        }
    };
    // What this thread has free of smaller classes is joined first.
    std::vector<void*> slots;
    while (!purger.joinable() && slots.size() < 100000) slots.push_back(get(736));
    opened = true;
    REQUIRE(purger.joinable());
    purger.join();
    step_hook = nullptr;
    CHECK(std::find(slots.begin(), slots.end(), nullptr) == slots.end());
    CHECK(region.opened(c) == 2 * region.slabs_per_block(c));
    put_all(slots);
    put(kept);
}

TEST_CASE("an epoch that closes while it is asked about closed after it was opened", "[interleaving]") {
    start_core();
    own_heap();
    const std::uint64_t epoch = epochs.current();
    tslab_epoch_info info;
    Stop stop(Step::record_found, [] { epochs.advance(); });
    REQUIRE(tslab_epoch_stats(epoch, &info) == TSLAB_OK);
    CHECK(Stop::reached);
    CHECK(info.closed_ms <= info.age_ms);
}

TEST_CASE("an epoch that is forgotten while it is asked about is not taken for another", "[interleaving]") {
    start_core();
    DomainHandle domain = 0;
    REQUIRE(domains.create(own_heap(), domain) == Refusal::none);
    const std::uint64_t epoch = domains.epoch(domain);
    REQUIRE(epochs.label(epoch, "asked about"));
    const auto forget_it = [] {
        for (unsigned i = 0; i < kEpochRecords; i++) {
            DomainHandle other = 0;
            REQUIRE(domains.create(own_heap(), other) == Refusal::none);
            REQUIRE(epochs.label(domains.epoch(other), "another"));
            REQUIRE(domains.destroy(own_heap(), other) == Refusal::none);
        }
    };
    REQUIRE(domains.enter(own_heap(), domain) == Refusal::none);
    void* const slot = get(300);
    tslab_epoch_info info;
    {
        Stop stop(Step::record_found, forget_it);
        REQUIRE(tslab_epoch_stats(epoch, &info) == TSLAB_OK);
        CHECK(Stop::reached);
    }
    CHECK(info.epoch == epoch);
    CHECK(info.state == TSLAB_EPOCH_OPEN);
    CHECK(info.live_objects == 1);
    CHECK(info.label[0] == 0);
    CHECK(info.age_ms == 0);
    put(slot);
    REQUIRE(domains.exit(own_heap(), domain) == Refusal::none);
    REQUIRE(domains.destroy(own_heap(), domain) == Refusal::none);
}

// Who frees into it stops before it queues the slab: the owner takes it over with what was freed, and is sent
// it though there is no more to collect.
TEST_CASE("a slab that still waits to be collected is not let go, though all of it is free", "[fork]") {
    start_core();
    own_heap();
    std::atomic<bool> made{}, done{};
    std::thread other([&] {
        shared_slots = get_many(3000, 256);
        made = true;
        while (!done) std::this_thread::yield();
        put_all(shared_slots);
    });
    while (!made) std::this_thread::yield();
    const pid_t child = fork();
    if (child == 0) {
        shared_slot = shared_slots[1500];
        static Slab* slab;
        slab = &slab_of(shared_slot);
        static const auto is_own = [] { return heap_of(slab->home.load()) == own_heap().number(); };
        static std::vector<void*> taken;
        {
            Stop stop(Step::free_remote_set, [] {
                while (!is_own() && taken.size() < 20000) taken.push_back(get(256));
            });
            put(shared_slot);
        }
        if (!Stop::reached || !is_own() || slab->remote_free.load() != 0) _exit(1);
        if (slab->pending_next.load() == 0) _exit(2);
        shared_slots.erase(shared_slots.begin() + 1500);
        put_all(taken);
        put_all(shared_slots);
        own_heap().renew();
        if (slab->room.get() != class_slots(class_of(256))) _exit(3);
        if (!is_own()) _exit(4);
        collect(100000);
        _exit(heap_of(slab->home.load()) == 0 && own_heap().is_valid() ? 0 : 5);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    done = true;
    other.join();
}
