// What a tick does and what a pass takes at most: the equations of reclaim.h.
#include "core/reclaim.h"
#include "residency.h"
#include "sweeps.h"

namespace tslab::test {

struct Walking {
    using Type = std::atomic<bool> Reclaim::*;
    friend Type member(Walking);
};
template struct Open<Walking, &Reclaim::walking_>;

struct CursorClass {
    using Type = unsigned Reclaim::*;
    friend Type member(CursorClass);
};
template struct Open<CursorClass, &Reclaim::class_>;

struct CursorIndex {
    using Type = std::uint32_t Reclaim::*;
    friend Type member(CursorIndex);
};
template struct Open<CursorIndex, &Reclaim::index_>;

}  // namespace tslab::test

using namespace tslab;
using namespace tslab::test;

namespace {

std::uint32_t slabs_below(unsigned c) {
    std::uint32_t count = 0;
    for (unsigned i = 0; i < c; i++) count += region.opened(i);
    return count;
}

// Slabs that the cursor is past, in this pass.
std::uint32_t slabs_passed() {
    return slabs_below(reclaim.*member(CursorClass{})) + reclaim.*member(CursorIndex{});
}

struct Clocked {
    std::size_t bytes = 0;
    std::size_t recycled = 0;
};

// By a whole pass of such ticks. Each pass is a sweep.
Clocked clocked_by_pass(Clocked each) {
    options.reclaim = Reclaiming::eager;
    sweep_once();
    Clocked sum;
    const auto sweeps = reclaim.sweeps();
    for (unsigned i = 0; reclaim.sweeps() == sweeps; i++) {
        REQUIRE(i < kMostTicks);
        REQUIRE(reclaim.tick(each.bytes, 0, each.recycled));
        sum = {sum.bytes + each.bytes, sum.recycled + each.recycled};
    }
    options.reclaim = Reclaiming::normal;
    return sum;
}

}  // namespace

TEST_CASE("a pass takes so many bytes on the clock, however little there is to visit", "[tick]") {
    start_core();
    put(get(256));
    CHECK(clocked_by_pass({kTickBytes, 0}).bytes >= kLeastPassBytes);
    const Clocked recycled = clocked_by_pass({1, kTickBytes});
    CHECK(recycled.bytes + recycled.recycled / kSweepFactor >= kLeastPassBytes);
}

TEST_CASE("a tick visits as many resident bytes as its own bytes allow", "[tick]") {
    start_core();
    auto slots = get_many(80'000, 768);
    const std::size_t resident = resident_by_figure();
    const std::size_t more = kSweepFactor * kTickBytes + kLongRunBytes;  // those of one tick and of one run
    const std::size_t clocked = clocked_by_pass({kTickBytes, 0}).bytes;
    CHECK(resident <= kSweepFactor * clocked + more);
    CHECK(resident > kSweepFactor * clocked / 2);
    const Clocked recycled = clocked_by_pass({1, kTickBytes});
    CHECK(resident <= kSweepFactor * recycled.bytes + recycled.recycled + more);
    put_all(slots);
    own_heap().abandon();
}

TEST_CASE("a tick visits so many slabs and two blocks, looking back and walking on", "[tick]") {
    start_core();
    const unsigned small = class_of(16);
    auto slots = get_many(400'000, 16);
    auto larger = get_many(100'000, 256);
    slots.insert(slots.end(), larger.begin(), larger.end());
    std::vector<void*> kept;
    for (std::size_t i = 0; i < slots.size(); i++) {
        if (i % 1000 < 500) {
            kept.push_back(slots[i]);
        } else {
            put(slots[i]);
        }
    }
    const std::uint32_t all = slabs_below(kClasses);
    auto& most = BoundedCall::most[static_cast<unsigned>(Work::slab_visit)];
    std::uint32_t most_passed = 0;
    for (std::size_t i = 0; i < 5000; i++) {
        const std::uint32_t before = slabs_passed();
        most = 0;
        {
            const BoundedCall call;
            reclaim.tick(std::size_t{4} << 20, region.number(slab_of(slots[i * 7919 % slots.size()])));
        }
        REQUIRE(most.load() <= kVisitsPerTick + 2);
        const std::uint32_t passed = (slabs_passed() + all - before) % all;
        REQUIRE(passed < kVisitsPerTick + region.slabs_per_block(small));
        if (passed > most_passed) most_passed = passed;
    }
    CHECK(most_passed >= kVisitsPerTick);
    CHECK(BoundedCall::broken == 0);
    put_all(kept);
    own_heap().abandon();
    CHECK(live_slots() == 0);
}

TEST_CASE("what is clocked while another thread walks is clocked by the next tick", "[tick]") {
    start_core();
    options.epoch_bytes = std::size_t{1} << 20;
    epochs.advance();
    const auto before = epochs.current();
    std::atomic<bool>& walking = reclaim.*member(Walking{});
    walking = true;
    for (unsigned i = 0; i < 4; i++) reclaim.tick_or_leave(options.epoch_bytes / 4, 0);
    CHECK(epochs.current() == before);
    walking = false;
    REQUIRE(reclaim.tick(1, 0));
    CHECK(epochs.current() == before + 1);
    REQUIRE(reclaim.tick(options.epoch_bytes - 1, 0));  // not once more
    CHECK(epochs.current() == before + 1);
    options.epoch_bytes = 0;
}
