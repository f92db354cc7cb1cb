#include "support.h"

using namespace tslab;
using namespace tslab::test;

namespace {

unsigned most(Work work) { return BoundedCall::most[static_cast<unsigned>(work)].load(); }
void forget_most() {
    for (auto& most : BoundedCall::most) most = 0;
}

// Objects of every class, enough that every class grows more than once.
std::vector<void*> fill() {
    std::vector<void*> slots;
    for (unsigned c = 0; c < kClasses; c++) {
        const auto more = get_many((std::size_t{3} << 20) / class_size(c), class_size(c));
        slots.insert(slots.end(), more.begin(), more.end());
    }
    return slots;
}

// Leaves one in `apart`, so that many slabs stay, sparse.
void thin_out(std::vector<void*>& slots, std::size_t apart) {
    std::vector<void*> kept;
    for (std::size_t i = 0; i < slots.size(); i++) {
        if (i % apart == 0) {
            kept.push_back(slots[i]);
        } else {
            put(slots[i]);
        }
    }
    slots = kept;
}

}  // namespace

TEST_CASE("a call that does more than it may is counted", "[bounds]") {
    const unsigned before = BoundedCall::broken;
    {
        const BoundedCall call;
        for (unsigned i = 0; i < kMostWork[1]; i++) BoundedCall::did(Work::system_call);
    }
    CHECK(BoundedCall::broken == before);
    {
        const BoundedCall call;
        for (unsigned i = 0; i <= kMostWork[1]; i++) BoundedCall::did(Work::system_call);
    }
    CHECK(BoundedCall::broken == before + 1);
    BoundedCall::broken = before;
    forget_most();
}

TEST_CASE("no call does more than it may while the region grows", "[bounds]") {
    start_core();
    forget_most();
    auto slots = fill();
    CHECK(most(Work::system_call) >= 2);
    thin_out(slots, 100);
    CHECK(most(Work::slab_visit) > 1);
    auto again = fill();  // beside many sparse slabs
    put_all(again);
    put_all(slots);
    CHECK(BoundedCall::broken == 0);
}

TEST_CASE("no call does more than it may where others freed everything", "[bounds]") {
    start_core();
    auto slots = fill();
    elsewhere([&] { put_all(slots); });
    forget_most();
    auto again = fill();
    CHECK(most(Work::slab_visit) >= kCollectSlabs);
    put_all(again);
    CHECK(BoundedCall::broken == 0);
}

TEST_CASE("no call does more than it may on a heap that was adopted", "[bounds]") {
    start_core();
    std::vector<void*> slots;
    elsewhere([&] {
        slots = fill();
        thin_out(slots, 7);
    });
    forget_most();
    const auto adopted = figure(Figure::heaps_adopted);
    elsewhere([&] {
        auto again = fill();
        put_all(slots);
        put_all(again);
    });
    CHECK(figure(Figure::heaps_adopted) == adopted + 1);
    CHECK(most(Work::slab_visit) > 1);
    CHECK(BoundedCall::broken == 0);
}

TEST_CASE("no call does more than it may while memory is given back", "[bounds]") {
    start_core();
    auto slots = fill();
    forget_most();
    const auto purged = figure(Figure::pages_purged);
    put_all(slots);
    for (int i = 0; i < 400; i++) {
        auto passing = get_many(200, 256);
        put_all(passing);
    }
    CHECK(figure(Figure::pages_purged) > purged);
    CHECK(most(Work::system_call) >= 1);
    CHECK(BoundedCall::broken == 0);
}
