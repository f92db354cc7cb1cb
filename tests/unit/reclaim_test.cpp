#include "core/reclaim.h"

#include <algorithm>
#include <random>

#include "faults.h"
#include "residency.h"
#include "sweeps.h"

using namespace tslab;
using namespace tslab::test;

namespace {

constexpr std::size_t kClass = class_of(256);

template <typename Work>
void for_each_block(Work work) {
    for (std::uint32_t i = 0; i < region.opened(kClass); i += region.slabs_per_block(kClass))
        work(region.slab_at(kClass, i));
}

// As another thread would that frees what is on it.
void empty_first_page(Slab& first) {
    for (unsigned i = 0; i < region.slabs_per_block(kClass); i++) {
        Slab& slab = (&first)[i];
        for (Word left = slab.live_slots() & region.slots_on(kClass, 1); left != 0; left &= left - 1) {
            std::byte* const slot = region.slots_of(slab) + lowest(left) * class_size(kClass);
            Heap::free_remote(Held::make(slot, slab, lowest(left)), nullptr);
        }
    }
}

}  // namespace

TEST_CASE("trim leaves the pages that hold something, and what they hold", "[reclaim]") {
    start_core();
    for (const std::size_t bytes : {16u, 48u, 64u, 112u, 200u, 300u, 768u}) {
        auto slots = get_many(20000, bytes);
        std::vector<void*> kept;
        for (std::size_t i = 0; i < slots.size(); i++) {
            std::memset(slots[i], static_cast<int>(i), bytes);
            if (i % 97 == 0) {
                kept.push_back(slots[i]);
            } else {
                put(slots[i]);
            }
        }
        trim();
        CHECK(resident_by_kernel() <= occupied_bytes());
        CHECK(resident_by_figure() == occupied_bytes());
        for (std::size_t i = 0; i < kept.size(); i++) {
            const auto* const content = static_cast<unsigned char*>(kept[i]);
            REQUIRE(content[0] == static_cast<unsigned char>(i * 97));
            REQUIRE(content[bytes - 1] == static_cast<unsigned char>(i * 97));
        }
        CHECK(trim() == 0);
        CHECK(own_heap().is_valid());
        put_all(kept);
        trim();
        CHECK(own_heap().is_valid());
    }
    CHECK(live_slots() == 0);
}

TEST_CASE("memory falls while a burst is being freed, without any other call", "[reclaim]") {
    start_core();
    auto slots = get_many(200000, 400);
    const std::size_t peak = resident_by_kernel();
    CHECK(peak > 200000 * 400 / 2);
    put_all(slots);
    CHECK(resident_by_kernel() < peak / 2);
    for (int i = 0; i < 2000; i++) {
        auto few = get_many(100, 300);
        put_all(few);
    }
    CHECK(resident_by_kernel() < peak / 10);
    CHECK(resident_by_kernel() <= resident_by_figure());
    CHECK(own_heap().is_valid());
}

TEST_CASE("what a sleeping thread's remote frees left is given back by others", "[reclaim]") {
    start_core();
    std::vector<void*> slots;
    std::atomic<bool> built{};
    std::atomic<bool> over{};
    std::thread sleeper([&] {
        slots = get_many(100000, 500);
        built = true;
        while (!over) std::this_thread::yield();
    });
    while (!built) std::this_thread::yield();
    const std::size_t peak = resident_by_kernel();
    put_all(slots);
    trim();
    CHECK(resident_by_kernel() < peak / 10);
    over = true;
    sleeper.join();
    CHECK(live_slots() == 0);
}

TEST_CASE("a tick makes one call, however many pages come free while it looks", "[reclaim]") {
    start_core();
    auto slots = get_many(20000, 256);
    // Pages that were empty at the last visit, and hold objects now.
    for_each_block([](Slab& first) {
        if (hold_of(first.state.load()) == Hold::parked) first.quiet.set(first.resident.get() & 1);
    });
    step_hook = [](Step at) {
        if (at != Step::purge_claimed) return;
        for_each_block([](Slab& first) {
            if (hold_of(first.state.load()) == Hold::claimed) empty_first_page(first);
        });
    };
    const auto before = figure(Figure::purge_calls);
    for (int i = 0; i < 2000; i++) {
        const auto calls = figure(Figure::purge_calls);
        reclaim.tick(std::size_t{4} << 20, 0);
        REQUIRE(figure(Figure::purge_calls) - calls <= 1);
    }
    step_hook = nullptr;
    CHECK(figure(Figure::purge_calls) > before + 1);
    for (void* slot : slots) {
        if (usable_bytes(slot) != 0) put(slot);
    }
    collect(100000);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("a tick does no more than its bounds", "[reclaim]") {
    start_core();
    auto slots = get_many(100000, 256);
    put_all(slots);
    std::uint64_t clocked = 0;
    const auto calls_before = figure(Figure::purge_calls);
    for (int i = 0; i < 3000; i++) {
        const auto calls = figure(Figure::purge_calls);
        const auto pages = figure(Figure::pages_purged);
        REQUIRE(reclaim.tick(kTickBytes, 0));
        clocked += kTickBytes;
        REQUIRE(figure(Figure::purge_calls) - calls <= 1);
        REQUIRE(figure(Figure::pages_purged) - pages < kLongRunPages + region.pages_per_block(kClass));
    }
    CHECK(figure(Figure::purge_calls) - calls_before <= (clocked + 100000 * 256 * 2) / kBytesPerCall);
}

TEST_CASE("what was taken from the stack and freed to it is clocked at the next refill", "[reclaim]") {
    start_core();
    trim();
    const Reclaiming was = options.reclaim;
    options.reclaim = Reclaiming::off;  // no call is spent
    constexpr std::size_t times = 100000;
    auto slots = get_many(1000, 256);
    const auto before = reclaim.*member(CallBytes{});
    put_all(slots);
    for (std::size_t i = 0; i < times; i++) put(get(256));
    slots = get_many(1000, 256);
    const auto clocked = reclaim.*member(CallBytes{}) - before;
    CHECK(clocked >= 2 * times * 256);
    CHECK(clocked <= 2 * (times + 2000) * 256);
    // No more the next time.
    const auto again = reclaim.*member(CallBytes{});
    auto more = get_many(1000, 256);
    CHECK(reclaim.*member(CallBytes{}) - again <= 2 * 1000 * 256);
    options.reclaim = was;
    put_all(slots);
    put_all(more);
}

TEST_CASE("a page is purged at the second visit that finds it empty, not at the first", "[reclaim]") {
    start_core();
    trim();
    auto slots = get_many(30000, 512);
    for (void* slot : slots) free_quietly(slot);
    const auto purged = figure(Figure::pages_purged);
    sweep_once();
    const auto in_first = figure(Figure::pages_purged) - purged;
    for (int i = 0; i < 2; i++) sweep_once();
    const auto in_all = figure(Figure::pages_purged) - purged;
    CHECK(in_first == 0);
    CHECK(in_all * region.page_bytes() > 30000 * 512 / 2);
}

TEST_CASE("while much is free, a page is purged at the first visit that finds it empty", "[reclaim]") {
    start_core();
    trim();
    const std::size_t count = 8 * kLargeGain / 512;
    auto slots = get_many(count, 512);
    own_heap().abandon();
    // One of every eight keeps each page, until the reclaim knows how much is free.
    std::vector<void*> kept;
    for (void* slot : slots) {
        if (region.locate(slot).slot % 8 == 0) {
            kept.push_back(slot);
        } else {
            free_quietly(slot);
        }
    }
    for (int i = 0; i < 2; i++) sweep_once();
    const auto purged = figure(Figure::pages_purged);
    for (void* slot : kept) free_quietly(slot);
    sweep_once();
    CHECK((figure(Figure::pages_purged) - purged) * region.page_bytes() > count * 512 / 2);
}

TEST_CASE("one call gives back pages on both sides of some that have no memory", "[reclaim]") {
    start_core();
    const Reclaiming was = options.reclaim;
    options.reclaim = Reclaiming::off;
    const unsigned count = region.slabs_per_block(kClass);
    const auto slots = get_many(20000, 256);
    // Full blocks in a row, of which the current slab is none.
    const auto are_full = [&](std::uint32_t from) {
        const Slab* const first = &region.slab_at(kClass, from);
        return std::all_of(first, first + 3 * count, [](const Slab& slab) { return slab.room.get() == 0; });
    };
    std::uint32_t index = region.opened(kClass) - 5 * count;
    while (!are_full(index)) index -= count;
    const auto free_block = [&](std::uint32_t at) {
        for (void* slot : slots) {
            Slab& slab = slab_of(slot);
            if (&region.first_of_block(slab) == &region.slab_at(kClass, at)) put(slot);
        }
        own_heap().abandon();
    };
    free_block(index + count);
    trim();
    REQUIRE(region.slab_at(kClass, index + count).resident.get() == 0);
    free_block(index);
    free_block(index + 2 * count);
    const auto calls = figure(Figure::purge_calls);
    const auto pages = figure(Figure::pages_purged);
    trim();
    const bool is_long = region.block_bytes(kClass) >= kLongRunBytes;
    CHECK(figure(Figure::purge_calls) - calls == (is_long ? 2 : 1));
    CHECK(figure(Figure::pages_purged) - pages == 2 * region.pages_per_block(kClass));
    CHECK(resident_by_kernel() <= occupied_bytes());
    options.reclaim = was;
    for (void* slot : slots) {
        if (usable_bytes(slot) == 0) continue;
        REQUIRE(*static_cast<unsigned char*>(slot) == 0x5a);
        put(slot);
    }
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("sweeps are rarer where most pages come back, and too many of them", "[reclaim]") {
    start_core();
    const ClockStands stands;
    forget_what_was_in_vain();
    trim();
    // How much is clocked until the next sweep ends, once so many pages were taken again before each of some.
    const auto sweep_bytes = [](std::size_t retaken) {
        std::size_t bytes = 0;
        for (int i = 0; i < 10; i++) {
            stats.add_in(kClass, Figure::pages_purged, retaken);
            stats.add_in(kClass, Figure::pages_retaken, retaken);
            bytes = 0;
            for (const auto sweeps = reclaim.sweeps(); reclaim.sweeps() == sweeps; bytes += kLeastPassBytes)
                reclaim.tick(kLeastPassBytes, 0);
        }
        return bytes;
    };
    const std::size_t bytes = sweep_bytes(0);
    CHECK(sweep_bytes(bytes / kBytesPerRetake) < 2 * bytes);
    CHECK(sweep_bytes(1'000'000) > kMostPatience / 2 * bytes);
}

TEST_CASE("a burst that comes again and again keeps its pages, and gives them back when it does not",
          "[reclaim]") {
    start_core();
    const std::size_t count = GENERATE(100u, 200u, 1000u, 10000u);
    forget_what_was_in_vain();
    trim();
    const auto retaken = figure(Figure::pages_retaken);
    const std::size_t rounds = (std::size_t{512} << 20) / (2 * count * 256);
    std::vector<void*> slots;
    for (std::size_t i = 0; i < rounds; i++) {
        slots = get_many(count, 256);
        put_all(slots);
    }
    const std::size_t clocked = rounds * 2 * count * 256;
    CHECK((figure(Figure::pages_retaken) - retaken) * (std::size_t{64} << 10) < clocked);

    // Now most of a burst of some MiB, freed at random, is free for good.
    slots = get_many(20000, 256);
    const std::size_t peak = resident_by_kernel();
    std::shuffle(slots.begin(), slots.end(), std::mt19937_64{7});
    put_all(slots);
    for (int i = 0; i < 1000; i++) put_all(slots = get_many(100, 256));
    CHECK(resident_by_kernel() < peak / 2);
    own_heap().abandon();
}

TEST_CASE("where calls are short they go to long runs of pages", "[reclaim]") {
    constexpr std::size_t resident = std::size_t{64} << 20;
    constexpr std::size_t page = kShortRunBytes;
    CHECK_FALSE(is_worth_a_call(1000 * page, kBytesPerCall - 1, resident));
    CHECK(is_worth_a_call(1000 * page, kBytesPerCall, resident));
    CHECK_FALSE(is_worth_a_call(page, resident / 2, resident));
    CHECK(is_worth_a_call(page, kBytesPerCall + resident / 2, resident));
    CHECK(is_worth_a_call(page, kBytesPerCall, 0));
    for (std::size_t saved = 0; saved < resident; saved += kBytesPerCall) {
        for (std::size_t pages = 1; pages < 100; pages++) {
            if (!is_worth_a_call(pages * page, saved, resident)) continue;
            REQUIRE(is_worth_a_call((pages + 1) * page, saved, resident));
            REQUIRE(is_worth_a_call(pages * page, saved + kBytesPerCall, resident));
        }
    }
}

TEST_CASE("a sweep that left its last run to a later call does not count", "[reclaim]") {
    start_core();
    forget_what_was_in_vain();
    trim();
    // Of the last class, so that nothing comes behind the run.
    auto slots = get_many(42 * 1200, 768);
    Slab& last = slab_of(slots.back());
    std::vector<void*> kept;
    own_heap().abandon();
    for (void* slot : slots) {
        Slab& slab = slab_of(slot);
        if (&slab != &last && &region.first_of_block(slab) != &region.first_of_block(last)) {
            kept.push_back(slot);
            continue;
        }
        free_quietly(slot);
    }
    REQUIRE(kept.size() < slots.size());
    const auto sweeps = reclaim.sweeps();
    const auto purged = figure(Figure::pages_purged);
    for (int i = 0; i < 6000; i++) {
        reclaim.*member(CallBytes{}) = 0;
        reclaim.tick(kTickBytes, 0);
    }
    CHECK(figure(Figure::pages_purged) == purged);
    CHECK(reclaim.sweeps() == sweeps + 1);  // the one that saw them first
    put_all(kept);
}

TEST_CASE("sweeps go on while the smallest objects are freed", "[reclaim]") {
    start_core();
    forget_what_was_in_vain();
    trim();
    auto large = get_many(20000, 768);
    const auto small = get_many(3000000, 16);
    // Both die together: it is the frees of the small ones that tick, and most of these leave a page in use.
    const std::size_t before = stats.get_in(kClasses - 1, Figure::resident_pages);
    std::size_t next = 0;
    for (std::size_t i = 0; i < small.size(); i++) {
        if (i % 64 != 0) put(small[i]);
        if (i % 50 == 0 && next < large.size()) put(large[(next++ * 7919) % large.size()]);
    }
    REQUIRE(next == large.size());
    CHECK(stats.get_in(kClasses - 1, Figure::resident_pages) < before / 4);
    for (std::size_t i = 0; i < small.size(); i += 64) put(small[i]);
    own_heap().abandon();
    CHECK(live_slots() == 0);
}

TEST_CASE("where little is free, a call for a short run waits for twice what it leaves", "[reclaim]") {
    start_core();
    forget_what_was_in_vain();
    auto slots = get_many(300000, 256);
    trim();
    constexpr std::size_t kMuch = std::size_t{1} << 20;
    for (int i = 0; i < 2; i++) sweep_once();
    // Here and there a page that a call of its own must give back.
    unsigned block = 0;
    for_each_block([&](Slab& first) {
        if (block++ % 32 == 0) empty_first_page(first);
    });
    collect(100000);
    const std::size_t wait = kLittleFactor * left_for_longer(region.page_bytes(), resident_by_figure());
    auto before = figure(Figure::purge_calls);
    while (figure(Figure::purge_calls) == before) reclaim.tick(kMuch, 0);
    before++;
    std::size_t clocked = 0;
    for (std::size_t calls = 0; calls < 5; clocked += kMuch) {
        reclaim.tick(kMuch, 0);
        calls = figure(Figure::purge_calls) - before;
        REQUIRE(calls * wait / 10 * 9 <= clocked + kMuch);  // less is resident than was
        REQUIRE(clocked < std::size_t{16} << 30);
    }
    for (void* slot : slots) {
        if (usable_bytes(slot) != 0) put(slot);
    }
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("what a spike leaves is given back by its own frees", "[reclaim]") {
    start_core();
    forget_what_was_in_vain();
    const bool vain = GENERATE(false, true);
    std::mt19937_64 random(7);
    const auto any = [&] {
        const std::size_t bytes = 64 + random() % 705;
        return std::memset(get(bytes), 0x5a, bytes);
    };
    std::vector<void*> slots;
    for (int i = 0; i < 20000; i++) slots.push_back(any());
    for (int i = 0; i < 200000; i++) {
        void*& slot = slots[random() % slots.size()];
        put(slot);
        slot = any();
    }
    if (vain) reclaim.*member(Patience{}) = kMostPatience;  // as hours of steady replacement leave it
    std::vector<void*> spike;
    for (int i = 0; i < 30 * 20000; i++) spike.push_back(any());
    const std::size_t peak = resident_by_kernel();
    for (void* slot : spike) {
        if (random() % 100 == 0) {
            slots.push_back(slot);
        } else {
            put(slot);
        }
    }
    CHECK(resident_by_kernel() <= occupied_bytes() + peak / 12);
    put_all(slots);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("the system calls that a thread without a heap makes are counted as calls of its frees",
          "[reclaim]") {
    start_core();
    auto slots = get_many(60000, 256);
    reclaim.*member(Patience{}) = 1;
    const auto made = figure(Figure::purge_calls);
    const auto counted = figure(Figure::slow_system_calls);
    elsewhere([&] {
        put_all(slots);
        CHECK(this_thread.heap == nullptr);
    });
    CHECK(figure(Figure::purge_calls) > made);
    CHECK(figure(Figure::slow_system_calls) - counted == figure(Figure::purge_calls) - made);
    collect(100000);
    CHECK(live_slots() == 0);
}
