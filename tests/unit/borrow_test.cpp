// Slots of other classes: larger ones made of adjacent free ones, and larger ones lent.
#include "borrowing.h"
#include "core/domain.h"
#include "core/pinners.h"

using namespace tslab;
using namespace tslab::test;

TEST_CASE("which slots serve another class follows from the sizes", "[borrow]") {
    for (unsigned c = 0; c < kClasses; c++) {
        for (unsigned s = 0; s < kClasses; s++) {
            const std::size_t bytes = slots_to_borrow(s, c) * class_size(s);
            REQUIRE((lenders_to.of[c] >> s & 1) == (bytes != 0));
            if (bytes == 0) continue;
            REQUIRE(bytes >= class_size(c));
            REQUIRE((s < c ? bytes * 8 <= class_size(c) * 9 : bytes * 2 <= class_size(c) * 3));
            const std::size_t alignment = class_size(c) & (0 - class_size(c));
            for (unsigned slot = 0; slot < class_slots(s); slot++) {
                const bool aligned = slot * class_size(s) % alignment == 0;
                REQUIRE((slots_aligned_for(s, c) >> slot & 1) == aligned);
            }
        }
    }
    CHECK(slots_to_borrow(class_of(128), class_of(256)) == 2);
    CHECK(slots_to_borrow(class_of(112), class_of(320)) == 3);
    CHECK(slots_to_borrow(class_of(96), class_of(768)) == 8);
    CHECK(slots_to_borrow(class_of(64), class_of(768)) == 0);
    CHECK(slots_to_borrow(class_of(256), class_of(256)) == 0);
    CHECK(slots_to_borrow(class_of(192), class_of(128)) == 1);
    CHECK(slots_to_borrow(class_of(208), class_of(128)) == 0);
}

TEST_CASE("tails belong to the slot before them, and come free with it", "[borrow]") {
    static Slab slab{};
    slab.size_class.set(class_of(64));
    slab.set_free(~Word{0}, 64);
    slab.join(0x8000000000000011, 0x80000000000000f7, class_of(256));
    slab.live[0].set(1);
    slab.live[4].set(1);
    slab.live[63].set(1);
    CHECK(slab.is_valid());
    CHECK(slab.tails.get() == 5);
    CHECK(slab.joined(1) == 0x7);
    CHECK(slab.joined(0x11) == 0xf7);
    CHECK(slab.live.class_at(4, 3) == class_of(256));
    CHECK(slab.live.class_at(63, 3) == 3);
    CHECK(slab.joined(bit(63)) == bit(63));
    CHECK(slab.take_back(0x10) == 4);
    CHECK(slab.is_valid());
    CHECK(slab.joined(1) == 0x7);
    CHECK(slab.take_back(1 | bit(63)) == 4);
    CHECK(slab.is_valid());
    CHECK(slab.free.get() == ~Word{0});
    CHECK(slab.tails.get() == 0);
}

TEST_CASE("what one size does not need any more serves a larger one", "[borrow]") {
    start_core();
    auto small = leave_threes_free(4096, 112);
    const auto before = figure(Figure::joined);
    const std::size_t resident = resident_by_figure();
    auto large = get_borrowed(320, 112);
    CHECK(large.size() >= 400);
    CHECK(figure(Figure::joined) - before >= large.size());
    // What is new is what the last one, which was not joined, brought.
    CHECK(resident_by_figure() <= resident + region.block_bytes(class_of(320)));
    for (const void* slot : large) {
        REQUIRE(usable_bytes(slot) == 320);
        REQUIRE(reinterpret_cast<std::uintptr_t>(slot) % 64 == 0);
    }
    CHECK(all_hold(small, 112, 0x5a));
    CHECK(own_heap().is_valid());
    check_slabs();
    // They come apart when they are freed, in any order and together with those between.
    std::reverse(large.begin(), large.end());
    large.insert(large.end(), small.begin(), small.end());
    put_all(large);
    CHECK(own_heap().is_valid());
    check_slabs();
    CHECK(live_slots() == 0);
    own_heap().abandon();
    trim();
    CHECK(resident_by_kernel() == 0);
}

TEST_CASE("slots are joined only where more is free than the budget, and in no domain", "[borrow]") {
    start_core();
    auto small = leave_threes_free(4096, 112);
    DomainHandle domain{};
    REQUIRE(domains.create(own_heap(), domain) == Refusal::none);
    REQUIRE(domains.enter(own_heap(), domain) == Refusal::none);
    CHECK(get_borrowed(320, 112).empty());
    REQUIRE(domains.exit(own_heap(), domain) == Refusal::none);
    REQUIRE(domains.destroy(own_heap(), domain) == Refusal::none);
    options.budget = {100};
    pass_once();
    CHECK(get_borrowed(320, 112).empty());
    put_all(small);
    CHECK(live_slots() == 0);
}

TEST_CASE("what one size does not need any more serves a smaller one", "[borrow]") {
    start_core();
    options.on_misuse = OnMisuse::ignore;
    auto large = leave_threes_free(4096, 208);
    const auto before = figure(Figure::lent);
    const std::size_t resident = resident_by_figure();
    auto small = get_borrowed(192, 208);
    // A request of 192 bytes may be one that asks for an alignment of 64.
    for (const void* slot : small) {
        REQUIRE(usable_bytes(slot) == 208);
        REQUIRE(reinterpret_cast<std::uintptr_t>(slot) % 64 == 0);
    }
    CHECK(small.size() >= 300);
    // Where that is not asked for, all serve.
    auto others = get_borrowed(144, 208);
    CHECK(small.size() + others.size() >= 1400);
    CHECK(figure(Figure::lent) - before >= small.size() + others.size());
    CHECK(resident_by_figure() <=
          resident + region.block_bytes(class_of(192)) + region.block_bytes(class_of(144)));
    CHECK(all_hold(large, 208, 0x5a));
    CHECK(all_hold(small, 192, 0xa5));
    CHECK(own_heap().is_valid());
    check_slabs();
    const auto double_frees = figure(Figure::double_frees);
    put(small.back());
    put(small.back());
    CHECK(figure(Figure::double_frees) == double_frees + 1);
    small.pop_back();
    elsewhere([&] { put_all(small); });
    put_all(others);
    put_all(large);
    collect(100000);
    CHECK(own_heap().is_valid());
    check_slabs();
    CHECK(live_slots() == 0);
    own_heap().abandon();
    trim();
    CHECK(resident_by_kernel() == 0);
}

TEST_CASE("misuse of joined slots is noticed as that of others", "[borrow]") {
    start_core();
    options.on_misuse = OnMisuse::ignore;
    auto small = leave_threes_free(1024, 112);
    auto large = get_borrowed(320, 112);
    REQUIRE(large.size() >= 3);
    const auto double_frees = figure(Figure::double_frees);
    const auto invalid_frees = figure(Figure::invalid_frees);
    // The second slot is part of the first.
    put(static_cast<std::byte*>(large[0]) + 112);
    CHECK(figure(Figure::invalid_frees) == invalid_frees + 1);
    CHECK(usable_bytes(static_cast<std::byte*>(large[0]) + 112) == 0);
    put(large[0]);
    put(large[0]);
    CHECK(figure(Figure::double_frees) == double_frees + 1);
    put(static_cast<std::byte*>(large[0]) + 112);
    CHECK(figure(Figure::double_frees) == double_frees + 2);
    elsewhere([&] {
        put(large[1]);
        put(large[1]);
        put(static_cast<std::byte*>(large[1]) + 224);
    });
    put(large[1]);
    CHECK(figure(Figure::double_frees) == double_frees + 4);
    CHECK(figure(Figure::invalid_frees) == invalid_frees + 2);
    large.erase(large.begin(), large.begin() + 2);
    CHECK(all_hold(large, 320, 0xa5));
    collect(1000);
    CHECK(own_heap().is_valid());
    check_slabs();
    put_all(large);
    put_all(small);
    CHECK(live_slots() == 0);
}

TEST_CASE("pages of joined slots go back although their owner does not come by", "[borrow]") {
    start_core();
    own_heap().abandon();
    trim();
    const std::size_t before = resident_by_kernel();
    std::vector<void*> slots;
    elsewhere([&] {
        slots = leave_threes_free(4096, 112);
        const auto large = get_borrowed(320, 112);
        REQUIRE(large.size() >= 400);
        slots.insert(slots.end(), large.begin(), large.end());
    });
    put_all(slots);
    trim();
    CHECK(resident_by_kernel() == before);
    elsewhere([] { collect(100000); });
    CHECK(live_slots() == 0);
}

TEST_CASE("an ending thread takes joined slots apart that it has not handed out", "[borrow]") {
    start_core();
    std::vector<void*> small;
    void* large = nullptr;
    elsewhere([&] {
        small = leave_threes_free(1024, 112);
        large = get(320);
        REQUIRE(is_borrowed(large, 112));
        REQUIRE(own_heap().bin(class_of(320)).held() != 0);
        std::memset(large, 0xa5, 320);
    });
    Slab& slab = slab_of(large);
    CHECK(slab.tails.get() == 2);
    CHECK(slab.is_valid());
    CHECK(all_hold({large}, 320, 0xa5));
    put(large);
    put_all(small);
    elsewhere([] { collect(100000); });
    CHECK(live_slots() == 0);
}

TEST_CASE("figures count joined slots as one object and as many bytes as they have", "[borrow]") {
    start_core();
    auto small = leave_threes_free(1024, 112);
    auto large = get_borrowed(320, 112);
    REQUIRE(!large.empty());
    const auto in_epoch = [](const void* slot) {
        return epoch_of(slab_of(slot).home.load()) == epochs.current();
    };
    const auto in_all = [&](const std::vector<void*>& slots) {
        return static_cast<std::size_t>(std::count_if(slots.begin(), slots.end(), in_epoch));
    };
    REQUIRE(in_all(large) == large.size());
    const EpochUse use = epochs.use(epochs.current());
    CHECK(use.live_objects == large.size() + in_all(small));
    CHECK(use.live_bytes == large.size() * 336 + in_all(small) * 112);
    put_all(large);
    put_all(small);
}

TEST_CASE("an ended domain's epoch gets no objects of the process by joining", "[borrow]") {
    start_core();
    DomainHandle domain{};
    REQUIRE(domains.create(own_heap(), domain) == Refusal::none);
    REQUIRE(domains.enter(own_heap(), domain) == Refusal::none);
    const auto epoch = domains.epoch(domain);
    auto slots = get_many(4096, 112);
    REQUIRE(domains.exit(own_heap(), domain) == Refusal::none);
    REQUIRE(domains.destroy(own_heap(), domain) == Refusal::none);
    for (void*& slot : slots) {
        if (region.locate(slot).slot % 8 >= 3) continue;
        put(slot);
        slot = nullptr;
    }
    slots.erase(std::remove(slots.begin(), slots.end(), nullptr), slots.end());
    epochs.advance();
    own_heap().renew();
    exceed_budget(112);
    const auto before = epochs.use(epoch).live_objects;
    auto large = get_borrowed(320, 112);
    REQUIRE(large.size() >= 400);
    CHECK(epochs.use(epoch).live_objects < before);
    put_all(slots);
    CHECK(epochs.use(epoch).live_objects == 0);
    put_all(large);
}

TEST_CASE("a joined object pins each page that a slot of it lies on", "[borrow]") {
    start_core();
    if (region.page_bytes() != 4096) return;
    REQUIRE(samples.start(4096));
    options.epoch_bytes = kTiB;
    // Slots 31 and 32 of a slab lie on either side of a page's border.
    auto slots = get_many(4096, 128);
    epochs.advance();
    own_heap().renew();
    std::vector<void*> kept;
    for (void* slot : slots) {
        const unsigned number = region.locate(slot).slot;
        if (number < 31 || number > 33) {
            kept.push_back(slot);
        } else {
            put(slot);
        }
    }
    exceed_budget(128);
    auto large = get_borrowed(384, 128);
    REQUIRE(large.size() >= 40);
    put_all(kept);
    const std::uintptr_t frames[] = {0xbad000};
    for (void* slot : large) REQUIRE(samples.add({slot, 384, epochs.current(), 0}, frames, 1));
    epochs.advance();
    own_heap().renew();
    Pinners pinners;
    REQUIRE(pinners.gather());
    const Pinner site = pinners.of(static_cast<unsigned>(pinners.after(-1)));
    CHECK(site.alone_bytes == Approx(site.objects * 8192));
    CHECK(site.pinned_bytes == Approx(site.objects * (8192 - 384)));
    put_all(large);
}

TEST_CASE("a forked child takes over the joined slots of a thread that it does not have", "[fork]") {
    start_core();
    own_heap();
    std::vector<void*> small, large;
    std::atomic<bool> ready{}, done{};
    bool holds_joined = false;
    std::thread other([&] {
        small = leave_threes_free(1024, 112);
        for (int i = 0; i < 3; i++) large.push_back(get(320));
        for (void* slot : large) std::memset(slot, 0xa5, 320);
        holds_joined = is_borrowed(large[0], 112) && own_heap().bin(class_of(320)).held() != 0;
        ready = true;
        while (!done) std::this_thread::yield();
        put_all(large);
        put_all(small);
    });
    while (!ready) std::this_thread::yield();
    const pid_t child = fork();
    if (child == 0) {
        const Slab& slab = slab_of(large[0]);
        const auto is_taken_over = [&] { return heap_of(slab.home.load()) == own_heap().number(); };
        const auto all_is_valid = [] { return own_heap().is_valid() && slabs_are_valid(); };
        std::vector<void*> more;
        while (!is_taken_over() && more.size() < 20000) more.push_back(get(112));
        // At once, since what is taken of it is no tail any more.
        if (!is_taken_over() || !slab.is_valid()) _exit(1);
        if (slab.tails.get() != popcount(slab.joined(slab.live.get()) & ~slab.live.get())) _exit(2);
        while (more.size() < 20000) more.push_back(get(112));
        if (!all_is_valid() || !all_hold(large, 320, 0xa5) || !all_hold(small, 112, 0x5a)) _exit(3);
        put_all(large);
        put_all(more);
        put_all(small);
        _exit(all_is_valid() && slab.tails.get() == 0 ? 0 : 4);
    }
    CHECK(holds_joined);
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    done = true;
    other.join();
}
