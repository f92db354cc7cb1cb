#include "core/heap.h"

#include <barrier>
#include <set>

#include "support.h"

namespace tslab::test {

struct BinWord {
    using Type = Shared<std::uint64_t> Bin::*;
    friend Type member(BinWord);
};
template struct Open<BinWord, &Bin::word_>;

struct Turn {
    using Type = unsigned Heap::*;
    friend Type member(Turn);
};
template struct Open<Turn, &Heap::turn_>;

}  // namespace tslab::test

using namespace tslab;
using namespace tslab::test;

TEST_CASE("slots of every size are apart, aligned and usable in full", "[heap]") {
    start_core();
    std::set<std::byte*> starts;
    std::vector<std::pair<std::byte*, std::size_t>> slots;
    for (int round = 0; round < 150; round++) {
        for (std::size_t bytes = 1; bytes <= kMaxServed; bytes += 7) {
            auto* const slot = static_cast<std::byte*>(get(bytes));
            REQUIRE(slot != nullptr);
            CHECK(owns(slot));
            CHECK(reinterpret_cast<std::uintptr_t>(slot) % 16 == 0);
            CHECK(usable_bytes(slot) == slot_bytes(bytes));
            CHECK(usable_bytes(slot) >= bytes);
            std::memset(slot, round, usable_bytes(slot));
            slots.emplace_back(slot, usable_bytes(slot));
            CHECK(starts.insert(slot).second);
        }
    }
    std::sort(slots.begin(), slots.end());
    for (std::size_t i = 0; i + 1 < slots.size(); i++) {
        REQUIRE(slots[i].first + slots[i].second <= slots[i + 1].first);
    }
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == slots.size());
    for (auto& [slot, bytes] : slots) put(slot);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("the last slot freed is the next one taken", "[heap]") {
    start_core();
    void* const slot = get(200);
    for (int i = 0; i < 100; i++) {
        put(slot);
        CHECK(get(200) == slot);
    }
    put(slot);
}

TEST_CASE("a slab is offered again from its first free slot on", "[heap]") {
    start_core();
    const unsigned c = class_of(128);
    auto slots = get_many(20 * class_slots(c), 128);
    Slab& slab = slab_of(slots[5 * class_slots(c)]);
    REQUIRE(slab.room.get() == 0);
    std::vector<void*> in_slab;
    for (void*& slot : slots) {
        if (&slab_of(slot) != &slab) continue;
        in_slab.push_back(slot);
        slot = nullptr;
    }
    // Fill the stack first, so that frees reach the slab.
    for (void*& slot : slots) {
        if (slot == nullptr || own_heap().bin(c).is_full()) continue;
        put(slot);
        slot = nullptr;
    }
    CHECK(slab.listed == 0);
    put(in_slab[0]);
    CHECK(slab.listed != 0);
    CHECK(slab.room.get() == 1);
    for (unsigned i = 1; i < in_slab.size(); i++) put(in_slab[i]);
    CHECK(own_heap().is_valid());
    for (void* slot : slots) {
        if (slot != nullptr) put(slot);
    }
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("a stack is deep, until much memory is free: then it goes back one by one with what is freed",
          "[heap]") {
    start_core();
    constexpr std::size_t bytes = 256;
    constexpr unsigned c = class_of(bytes);
    own_heap().renew();
    pretend(Gain::small);
    Bin& bin = own_heap().bin(c);
    auto few = get_many(4 * class_slots(c), bytes);
    std::vector<void*> more(few.begin(), few.begin() + 2 * kStackSlots);
    few.erase(few.begin(), few.begin() + 2 * kStackSlots);
    put_all(few);
    CHECK(bin.held() == kStackSlots);
    const auto put_one = [&more] {
        put(more.back());
        more.pop_back();
    };
    pretend(Gain::large);
    // That much is free is seen when a slab turns.
    unsigned held = kStackSlots;
    for (unsigned i = 0; i < kSettledSlots && bin.held() == held; i++) put_one();
    while (held > kLeastStackSlots) {
        REQUIRE(bin.held() == --held);
        REQUIRE(own_heap().is_valid());
        put_one();
    }
    CHECK(bin.held() == kLeastStackSlots);
    const auto refills = own_heap().refills[c].get();
    for (unsigned i = 0; i < kLeastStackSlots; i++) more.push_back(get(bytes));
    CHECK(own_heap().refills[c].get() == refills);
    more.push_back(get(bytes));
    CHECK(own_heap().refills[c].get() == refills + 1);
    CHECK(bin.held() == kLeastStackSlots / 2 - 1);
    put_all(more);
    pretend(Gain::small);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("a stack is less deep where a heap has many slabs of the class", "[heap]") {
    start_core();
    constexpr std::size_t bytes = 256;
    constexpr unsigned c = class_of(bytes);
    own_heap().renew();
    pretend(Gain::small);
    auto many = get_many((kManySlabs + 2) * class_slots(c), bytes);
    std::vector<void*> some(many.end() - 2 * class_slots(c), many.end());
    many.resize(many.size() - some.size());
    put_all(some);
    CHECK(own_heap().bin(c).held() == kUsualStackSlots);
    put_all(many);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("released slabs are opened again before new ones", "[heap]") {
    start_core();
    const unsigned c = class_of(256);
    auto slots = get_many(5000, 256);
    put_all(slots);
    const auto opened = region.opened(c);
    for (int i = 0; i < 10; i++) {
        auto again = get_many(4000, 256);
        put_all(again);
    }
    CHECK(region.opened(c) == opened);
    elsewhere([] {  // and by other threads
        auto theirs = get_many(3000, 256);
        put_all(theirs);
    });
    CHECK(region.opened(c) == opened);
}

TEST_CASE("what other threads free comes back to the owner", "[heap]") {
    start_core();
    const unsigned c = class_of(400);
    const auto before = live_slots();
    std::uint32_t opened = 0;
    for (int round = 0; round < 20; round++) {
        auto slots = get_many(3000, 400);
        elsewhere([&] { put_all(slots); });
        CHECK(live_slots() == before);
        if (round == 1) opened = region.opened(c);
        if (round > 1) CHECK(region.opened(c) == opened);
    }
    collect(1000000);
    CHECK(own_heap().is_valid());
}

TEST_CASE("what was freed of a class that its owner asks for no more becomes anybody's", "[heap]") {
    start_core();
    const unsigned c = class_of(512);
    auto slots = get_many(400, 512);
    const Slab& slab = slab_of(slots[200]);  // all of it is among them
    elsewhere([&] { put_all(slots); });
    CHECK(heap_of(slab.home.load()) == own_heap().number());
    for (int i = 0; i < 100; i++) {
        auto others = get_many(400, 256);
        put_all(others);
    }
    CHECK(heap_of(slab.home.load()) == 0);
    const auto opened = region.opened(c);
    elsewhere([&] {
        auto theirs = get_many(380, 512);
        CHECK(region.opened(c) == opened);
        put_all(theirs);
    });
    CHECK(own_heap().is_valid());
}

TEST_CASE("of a class with much to collect all is collected before the next one's turn", "[heap]") {
    start_core();
    constexpr unsigned c = class_of(512);
    constexpr unsigned turns = 4;
    auto slots = get_many(turns * kCollectSlabs * class_slots(c), 512);
    elsewhere([&] { put_all(slots); });
    const auto left = [] {
        unsigned count = 0;
        for (std::uint32_t i = 0; i < region.opened(c); i++)
            count += region.slab_at(c, i).remote_free.load() != 0;
        return count;
    };
    CHECK(left() >= turns * kCollectSlabs);
    const auto refill_while = [](auto condition) {
        for (unsigned i = 0; condition(); i++) {
            REQUIRE(i < 100'000);
            auto others = get_many(2 * kStackSlots, 256);
            put_all(others);
        }
    };
    const unsigned& turn = own_heap().*member(Turn{});
    refill_while([&] { return turn != c; });
    refill_while([&] { return turn == c; });
    CHECK(left() == 0);
}

TEST_CASE("a thread that only frees has no heap, and writes no word that all threads share", "[heap]") {
    start_core();
    auto slots = get_many(40, 320);
    const unsigned c = class_of(320);
    const auto made = heaps.count();
    const auto before = own_heap().remote_frees[c].get();
    elsewhere([&] {
        put_all(slots);
        CHECK(this_thread.heap == nullptr);
    });
    CHECK(heaps.count() == made);
    CHECK(figure(Figure::remote_frees) == 0);
    collect(100);
    CHECK(own_heap().remote_frees[c].get() == before + 40);
    CHECK(live_slots() == 0);
}

TEST_CASE("what a thread frees of another's is clocked", "[heap]") {
    start_core();
    options.epoch_bytes = std::size_t{64} << 10;
    constexpr std::size_t freed = 4096 * std::size_t{256};
    auto slots = get_many(4096, 256);
    elsewhere([&] {
        own_heap();
        const auto before = epochs.current();
        put_all(slots);
        const auto passed = epochs.current() - before;
        CHECK(passed * options.epoch_bytes > freed / 2);
        CHECK(passed <= freed / options.epoch_bytes + 1);
    });
    options.epoch_bytes = 0;
    collect(100000);
    CHECK(live_slots() == 0);
}

TEST_CASE("the heap of an ended thread is adopted with all that is in it", "[heap]") {
    start_core();
    std::vector<void*> left;
    Heap* ended = nullptr;
    elsewhere([&] {
        left = get_many(1000, 96);
        ended = this_thread.heap;
    });
    REQUIRE(ended != nullptr);
    CHECK(ended->is_valid());
    for (unsigned c = 0; c < kClasses; c++) {
        CHECK(ended->bin(c).held() == 0);
        CHECK(ended->bin(c).current == nullptr);
    }
    put(left.back());  // while nobody owns it
    left.pop_back();
    elsewhere([&] {
        CHECK(own_heap().number() == ended->number());
        put(left.back());
        left.pop_back();
        collect(100);
        CHECK(own_heap().is_valid());
        put_all(left);
        CHECK(own_heap().is_valid());
    });
    CHECK(live_slots() == 0);
}

TEST_CASE("of two heaps that were abandoned the fuller one is adopted first", "[heap]") {
    start_core();
    for (const bool fuller_ends_first : {true, false}) {
        std::vector<void*> many;
        std::vector<void*> few;
        Heap* full = nullptr;
        std::atomic<int> ready{0};
        std::atomic<bool> may_end{false};
        std::thread other([&] {
            few = get_many(3, 448);
            ready++;
            while (!may_end) std::this_thread::yield();
        });
        elsewhere([&] {
            many = get_many(1000, 448);
            full = this_thread.heap;
            ready++;
            if (fuller_ends_first) return;
            while (ready != 2) std::this_thread::yield();
            may_end = true;
            other.join();
        });
        may_end = true;
        if (other.joinable()) other.join();
        const auto made = heaps.count();
        elsewhere([&] { CHECK(&own_heap() == full); });
        CHECK(heaps.count() == made);
        put_all(many);
        put_all(few);
    }
    CHECK(live_slots() == 0);
}

TEST_CASE("threads one after another leave nothing behind", "[heap]") {
    start_core();
    elsewhere([] { own_heap(); });
    const auto heaps_before = heaps.count();
    std::uint32_t opened = 0;
    for (int i = 0; i < 200; i++) {
        elsewhere([] {
            auto slots = get_many(300, 64 + static_cast<std::size_t>(rand() % 3));
            put_all(slots);
        });
        if (i == 10) opened = region.opened(class_of(64)) + region.opened(class_of(66));
    }
    CHECK(heaps.count() == heaps_before);
    CHECK(region.opened(class_of(64)) + region.opened(class_of(66)) == opened);
    CHECK(live_slots() == 0);
}

TEST_CASE("aligned sizes are slots of that alignment, or refused", "[heap]") {
    start_core();
    for (std::size_t alignment = 8; alignment <= 4096; alignment *= 2) {
        for (std::size_t bytes = 1; bytes <= kMaxServed; bytes++) {
            const std::size_t whole = aligned_bytes(alignment, bytes);
            if (whole == 0) {
                CHECK(round_up(bytes, alignment) > kMaxServed);
                continue;
            }
            CHECK(whole >= bytes);
            void* const slot = get(whole);
            CHECK(reinterpret_cast<std::uintptr_t>(slot) % alignment == 0);
            put(slot);
        }
    }
    CHECK(aligned_bytes(64, 769) == 0);
    CHECK(aligned_bytes(1024, 100) == 0);
}

TEST_CASE("where nothing is served no size is", "[heap]") {
    start_core();
    const Served before = served;
    served.sizes = 0;
    for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, kMaxServed, SIZE_MAX - 1, SIZE_MAX})
        CHECK_FALSE(serves(bytes));
    served = before;
    CHECK(serves(1));
    CHECK(serves(kMaxServed));
    CHECK_FALSE(serves(0));
    CHECK_FALSE(serves(kMaxServed + 1));
}

TEST_CASE("a thread whose destructors have run frees, and takes no more", "[heap]") {
    start_core();
    void* const slot = get(100);
    pthread_key_t before;  // the one that core leaves free below its own
    REQUIRE(pthread_key_create(&before, nullptr) == 0);
    static pthread_key_t late;
    static void* late_slot;
    late_slot = slot;
    static bool served_late;
    served_late = true;
    // Above core's own key, so its destructor runs later in the same round.
    REQUIRE(pthread_key_create(&late, [](void*) {
                put(late_slot);
                served_late = get(100) != nullptr;
            }) == 0);
    elsewhere([] {
        own_heap();
        pthread_setspecific(late, &late);
    });
    CHECK_FALSE(served_late);
    collect(10);
    CHECK(usable_bytes(slot) == 0);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("a bin's count begins anew before its bits are full, and nothing is lost", "[heap]") {
    start_core();
    constexpr std::size_t bytes = 400;
    constexpr std::size_t c = class_of(bytes);
    constexpr unsigned many = 2 * kStackSlots;  // more than a stack has
    auto slots = get_many(many, bytes);
    put_all(slots);
    Bin& bin = own_heap().bin(c);
    Shared<std::uint64_t>& word = bin.*member(BinWord{});
    REQUIRE(bin.held() != 0);
    const auto taken = [&bin] { return bin.taken() + own_heap().taken_before[c].get(); };
    for (const std::uint64_t count : {(std::uint64_t{1} << 46) + 5, (std::uint64_t{1} << 47) - 3}) {
        own_heap().taken_before[c].set(0);
        word.set(count << 16 | (word.get() & 0xffff));
        CHECK(taken() == count);
        CHECK_FALSE(bin.is_armed());
        slots = get_many(many, bytes);
        CHECK(std::set<void*>(slots.begin(), slots.end()).size() == many);
        CHECK(taken() == count + many);
        CHECK(bin.taken() <= many);
        CHECK(own_heap().is_valid());
        put_all(slots);
    }
    own_heap().taken_before[c].set(0);
}

// The last one: heaps are never unmade.
TEST_CASE("a stack is less deep where there are many heaps", "[heap]") {
    start_core();
    own_heap().renew();
    pretend(Gain::small);
    std::barrier all(kFewHeaps + 1);
    std::vector<std::thread> others;
    for (unsigned i = 0; i < kFewHeaps; i++) {
        others.emplace_back([&all] {
            own_heap();
            all.arrive_and_wait();
        });
    }
    all.arrive_and_wait();
    for (std::thread& other : others) other.join();
    auto slots = get_many(2 * kStackSlots, 320);
    put_all(slots);
    CHECK(own_heap().bin(class_of(320)).held() == kUsualStackSlots);
    CHECK(own_heap().is_valid());
}
