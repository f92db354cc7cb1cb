// Which slabs lend slots to other classes, in what order, and what of it is clocked.
#include "borrowing.h"

namespace tslab::test {

struct Lending {
    using Type = SlabNumber (Heap::*)[kClasses];
    friend Type member(Lending);
};
template struct Open<Lending, &Heap::lending_>;

}  // namespace tslab::test

using namespace tslab;
using namespace tslab::test;

namespace {

SlabNumber& next_to_lend(std::size_t bytes) { return (own_heap().*member(Lending{}))[class_of(bytes)]; }

}  // namespace

TEST_CASE("smaller slots are borrowed first, the fewest of them, and then the least of the larger",
          "[borrow]") {
    start_core();
    std::vector<void*> kept;
    for (const std::size_t bytes : {400u, 352u, 112u, 160u}) {
        const auto some = leave_threes_free(1024, bytes);
        kept.insert(kept.end(), some.begin(), some.end());
        kept.push_back(get(320));
        CHECK(is_borrowed(kept.back(), bytes));
    }
    put_all(kept);
    CHECK(live_slots() == 0);
    own_heap().abandon();
}

TEST_CASE("a slab that was the next to lend, and is another thread's by now, does not", "[borrow]") {
    start_core();
    auto slots = leave_threes_free(1024, 112);
    std::set<const Slab*> theirs;
    elsewhere([&] {
        for (void* slot : leave_threes_free(1024, 112)) {
            theirs.insert(&slab_of(slot));
            slots.push_back(slot);
        }
    });
    next_to_lend(112) = region.number(slab_of(slots.back()));
    auto large = get_borrowed(320, 112);
    REQUIRE(large.size() >= 100);
    for (const void* slot : large) CHECK(theirs.count(&slab_of(slot)) == 0);
    put_all(large);
    put_all(slots);
    elsewhere([] { collect(1000); });
    CHECK(live_slots() == 0);
    own_heap().abandon();
}

TEST_CASE("a slab that was the next to lend, and is open by now, does not", "[borrow]") {
    start_core();
    auto slots = leave_threes_free(256, 112);
    Slab* open = nullptr;
    for (void* slot : get_many(256, 112)) {
        Slab& slab = slab_of(slot);
        if (region.locate(slot).slot % 8 < 3) {
            put(slot);
        } else {
            slots.push_back(slot);
        }
        if (slab.listed == 1 && slab.room.get() >= 2 * 3) open = &slab;
    }
    REQUIRE(open != nullptr);
    next_to_lend(112) = region.number(*open);
    slots.push_back(get(320));
    CHECK(&slab_of(slots.back()) != open);
    put_all(slots);
    CHECK(live_slots() == 0);
    own_heap().abandon();
}

TEST_CASE("where fuller slabs have nothing to lend, sparser ones are come to", "[borrow]") {
    start_core();
    std::set<const Slab*> fuller;
    auto slots = leave_free(1024, 112, [&](const void* slot) {
        const Slab& slab = slab_of(slot);
        if (fuller.size() < 4) fuller.insert(&slab);
        return region.locate(slot).slot % 8 < (fuller.count(&slab) != 0 ? 1 : 3);
    });
    auto large = get_many(1000, 320);
    CHECK(std::any_of(large.begin(), large.end(), [](const void* slot) { return is_borrowed(slot, 112); }));
    put_all(large);
    put_all(slots);
    CHECK(live_slots() == 0);
    own_heap().abandon();
}

TEST_CASE("what is borrowed is clocked as what slabs of its own class give", "[borrow]") {
    start_core();
    auto kept = leave_threes_free(16384, 112);
    options.epoch_bytes = 64 << 10;
    const auto before = epochs.current();
    auto large = get_borrowed(320, 112);
    REQUIRE(large.size() >= 1600);
    CHECK((epochs.current() - before) * options.epoch_bytes > large.size() * 320 / 2);
    options.epoch_bytes = kTiB;
    put_all(large);
    put_all(kept);
    CHECK(live_slots() == 0);
}

TEST_CASE("what is freed of joined slots is clocked as all else, whoever frees it", "[borrow]") {
    start_core();
    const auto clocked_share = [](auto free_all) {
        auto small = leave_threes_free(16384, 112);
        auto large = get_borrowed(320, 112);
        REQUIRE(large.size() >= 1600);
        const double freed = static_cast<double>(large.size() * 336);
        options.epoch_bytes = 64 << 10;
        const auto before = epochs.current();
        free_all(large);
        const auto clocked = (epochs.current() - before) * options.epoch_bytes;
        options.epoch_bytes = kTiB;
        put_all(small);
        collect(100000);
        own_heap().abandon();
        CHECK(live_slots() == 0);
        return static_cast<double>(clocked) / freed;
    };
    CHECK(clocked_share([](std::vector<void*>& large) { put_all(large); }) > 0.8);
    const auto by_heap = [](std::vector<void*>& large) {
        elsewhere([&] {
            own_heap();
            put_all(large);
        });
    };
    CHECK(clocked_share(by_heap) > 0.8);
    const auto without_heap = [](std::vector<void*>& large) {
        elsewhere([&] {
            put_all(large);
            REQUIRE(this_thread.heap == nullptr);
        });
    };
    CHECK(clocked_share(without_heap) > 0.25);  // of a slab only every fifth
}
