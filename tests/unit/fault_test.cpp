#include "faults.h"

#include <memory>

#include "residency.h"
#include "sweeps.h"

using namespace tslab;
using namespace tslab::test;

namespace {

constexpr std::size_t kSmall = std::size_t{64} << 20;

}  // namespace

TEST_CASE("a region that cannot be reserved is refused whole", "[fault]") {
    for (int n = 0; n < 2; n++) {
        const auto own = std::make_unique<Region>();
        reserve_fault = {n, 1};
        CHECK_FALSE(own->start(kSmall, SIZE_MAX, 4096));
        CHECK(reserve_fault.fail == 0);
        CHECK(own->size() == 0);
        CHECK_FALSE(own->owns(&reserve_fault));
        reserve_fault = {};
        CHECK(own->start(kSmall, SIZE_MAX, 4096));
    }
}

TEST_CASE("a slab whose memory cannot be committed is not handed out, and can be later", "[fault]") {
    const auto own = std::make_unique<Region>();
    REQUIRE(own->start(kSmall, SIZE_MAX, 4096));
    for (int n = 0; n < 2; n++) {  // the slots, then the descriptors
        commit_fault = {n, 1};
        CHECK(own->acquire(5) == nullptr);
        CHECK(own->opened(5) == 0);
    }
    commit_fault = {};
    CHECK(own->acquire(5) != nullptr);
    CHECK(own->opened(5) == 1);
}

TEST_CASE("requests are forwarded while commits fail, and nothing live is harmed", "[fault]") {
    start_core();
    own_heap();
    for (int n = 0; n < 6; n++) {
        std::vector<void*> slots;
        commit_fault = {n, 1000000};
        // 767 bytes and down, so that new slabs are needed throughout.
        std::size_t refused = 0;
        for (std::size_t i = 0; i < 20000; i++) {
            void* const slot = get(64 + i % 704);
            if (slot == nullptr) {
                refused++;
                continue;
            }
            std::memset(slot, static_cast<int>(i), 64 + i % 704);
            slots.push_back(slot);
        }
        CHECK(refused > 0);
        CHECK(own_heap().is_valid());
        commit_fault = {};
        void* const slot = get(700);
        CHECK(slot != nullptr);
        slots.push_back(slot);
        put_all(slots);
        CHECK(own_heap().is_valid());
        CHECK(live_slots() == 0);
    }
}

TEST_CASE("a thread that gets no heap is not served", "[fault]") {
    start_core();
    own_heap();
    std::vector<std::thread> idle;
    elsewhere([] {
        // Heaps are committed in steps: exhaust the step, then refuse the next.
        commit_fault = {0, 1};
        std::vector<Heap*> made;
        for (Heap* heap = heaps.acquire(); heap != nullptr; heap = heaps.acquire()) made.push_back(heap);
        CHECK(commit_fault.fail == 0);
        commit_fault = {0, 1};
        CHECK(get(100) == nullptr);
        commit_fault = {};
        CHECK(get(100) != nullptr);
        for (Heap* heap : made) heaps.release(*heap);
    });
}

TEST_CASE("a refused madvise is counted, and what it was for is kept", "[fault]") {
    start_core();
    own_heap().abandon();
    trim();
    const std::size_t before = resident_by_figure();
    options.reclaim = Reclaiming::off;  // but when asked to
    auto slots = get_many(50000, 200);
    put_all(slots);
    own_heap().abandon();
    const std::size_t emptied = resident_by_figure() - before;
    REQUIRE(emptied >= 50000 * 208);
    const auto refused = figure(Figure::purge_failures);
    give_back_fault = {3, 1};
    const std::size_t given_back = trim();
    CHECK(give_back_fault.fail == 0);
    CHECK(figure(Figure::purge_failures) == refused + 1);
    CHECK(given_back < emptied);
    CHECK(given_back >= emptied - kLongRunBytes);
    CHECK(trim() == emptied - given_back);
    options.reclaim = Reclaiming::normal;
}

TEST_CASE("while the kernel refuses, few calls are made, and all is given back when it does not any more",
          "[fault]") {
    start_core();
    forget_what_was_in_vain();
    trim();
    const std::size_t before = resident_by_figure();
    auto slots = get_many(50000, 200);
    give_back_fault = {0, 1'000'000};
    put_all(slots);
    own_heap().abandon();
    auto refused = figure(Figure::purge_failures);
    CHECK(trim() == 0);
    CHECK(figure(Figure::purge_failures) == refused + kMostRefused);
    options.reclaim = Reclaiming::eager;
    const std::size_t resident = resident_by_figure();
    REQUIRE(resident >= 50000 * 208);
    constexpr unsigned ticks = 20'000;
    refused = figure(Figure::purge_failures);
    for (unsigned i = 0; i < ticks; i++) reclaim.tick(kLeastPassBytes, 0);
    refused = figure(Figure::purge_failures) - refused;
    const std::size_t longest_pause = kBytesPerCall << kMostRefused;
    CHECK(refused >= ticks * kLeastPassBytes / longest_pause / 2);
    CHECK(refused <= ticks * kLeastPassBytes / longest_pause + kMostRefused + 1);
    CHECK(resident_by_figure() == resident);
    give_back_fault = {};
    for (unsigned i = 0; i < ticks; i++) reclaim.tick(kLeastPassBytes, 0);
    CHECK(resident_by_figure() == before);
    options.reclaim = Reclaiming::normal;
    CHECK(own_heap().is_valid());
}
