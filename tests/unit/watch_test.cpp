#include "core/watch.h"

#include <algorithm>
#include <cmath>

#include "core/options.h"
#include "support.h"

using namespace tslab;
using namespace tslab::test;

namespace {

constexpr std::size_t kRate = 4096;

// A bin with one slot, which is taken and put back.
struct Pair {
    Slab slab{};
    Bin bin;

    Pair() {
        bin.hold_at_most(1);
        put();
    }
    void put() {
        slab.live.clear(1);
        bin.push(Held::make(reinterpret_cast<std::byte*>(0x10000), slab, 0));
    }
    bool take() { return bin.take() != nullptr; }
};

}  // namespace

TEST_CASE("an armed bin refuses the take that is due, whatever was put back in between, and counts on",
          "[watch]") {
    Pair pair;
    const auto take = [&pair](unsigned times) {
        for (unsigned i = 0; i < times; i++) {
            REQUIRE(pair.take());
            pair.put();
        }
    };
    take(5);
    CHECK_FALSE(pair.bin.is_armed());
    CHECK(pair.bin.taken() == 5);
    for (const std::uint32_t takes : {0u, 1u, 100u}) {
        const std::uint64_t before = pair.bin.taken();
        pair.bin.arm(takes);
        CHECK(pair.bin.is_armed());
        CHECK(pair.bin.taken() == before);
        CHECK(pair.bin.is_due() == (takes == 0));
        take(takes);
        CHECK(pair.bin.is_due());
        CHECK_FALSE(pair.take());
        CHECK(pair.bin.held() == 1);
        CHECK(pair.bin.taken() == before + takes);
    }
}

TEST_CASE("each request is sampled by its own bytes, and timing does not change that", "[watch]") {
    if (!samples.is_on()) REQUIRE(samples.start(kRate));
    const unsigned latency_before = options.latency;
    for (const unsigned every : {0u, 50u}) {
        options.latency = every;
        Pair pair;
        Watch looking;
        constexpr std::size_t kSizes[] = {737, 768};  // of one class
        const std::size_t c = class_of(768);
        REQUIRE(class_of(737) == c);
        constexpr unsigned kRequests = 1000000;
        unsigned sampled[2] = {};
        unsigned timings = 0;
        unsigned lost = 0;
        looking.arm(pair.bin, c);
        for (unsigned i = 0; i < 2 * kRequests; i++) {
            if (!pair.take()) {
                const Watch::Found found = looking.look_at(pair.bin, c, kSizes[i % 2]);
                sampled[i % 2] += found.sample;
                timings += found.timing;
                lost += !pair.take();
            }
            pair.put();
        }
        CHECK(lost == 0);
        CHECK(pair.bin.taken() == 2 * kRequests);
        for (unsigned k = 0; k < 2; k++) {
            const double due = -std::expm1(-static_cast<double>(kSizes[k]) / kRate) * kRequests;
            CHECK(std::abs(sampled[k] - due) < 5 * std::sqrt(due));
        }
        const double due = every == 0 ? 0 : 2.0 * kRequests / every;
        CHECK(std::abs(timings - due) <= 5 * std::sqrt(due));
    }
    options.latency = latency_before;
}

TEST_CASE("what is taken is told exactly while the bin is being armed", "[watch]") {
    static Pair pair;
    static std::uint64_t told;
    for (const std::uint32_t takes : {1u, 3u, 100u}) {
        const std::uint64_t before = pair.bin.taken();
        told = ~std::uint64_t{0};
        step_hook = [](Step at) {
            if (at == Step::arm_due_set) told = pair.bin.taken();
        };
        pair.bin.arm(takes);
        step_hook = nullptr;
        CHECK(told == before);
        REQUIRE(pair.take());
        CHECK(pair.bin.taken() == before + 1);
        pair.put();
    }
}

TEST_CASE("a slab whose marks are gone is its thread's home again after one free", "[watch]") {
    start_core();
    void* const first = get(200);
    void* const second = get(200);
    REQUIRE(&slab_of(first) == &slab_of(second));
    Slab& slab = slab_of(first);
    const Home home = slab.home.load();
    slab.home.store(home | kMarked);
    put(first);
    CHECK(slab.home.load() == home);
    CHECK(popcount(slab.live.get() & bit(region.locate(first).slot)) == 0);
    slab.marks.store(1);
    slab.home.store(home | kMarked);
    put(second);
    CHECK(slab.home.load() == (home | kMarked));
    slab.marks.store(0);
    slab.home.store(home);
    CHECK(own_heap().is_valid());
}

TEST_CASE("a marked object's slab is nobody's home, keeps its mark where it moves, and belongs to its heap",
          "[watch]") {
    const Home home = home_of(77, 5, 1234);
    Slab slab{};
    slab.move_to(home, std::memory_order_relaxed);
    CHECK(slab.home.load() == home);
    slab.marks.store(1);
    slab.move_to(home_of(78, 5, 1234), std::memory_order_relaxed);
    CHECK(slab.home.load() != home_of(78, 5, 1234));
    CHECK(slab.unmarked_home() == home_of(78, 5, 1234));
    CHECK(heap_of(slab.home.load()) == 1234);
    CHECK(domain_of(slab.home.load()) == 5);
    CHECK(epoch_of(slab.home.load()) == 78);
}

TEST_CASE("a slab that a marked object's free made another thread's is left to that thread", "[watch]") {
    start_core();
    std::vector<void*> slots = get_many(1000, 256);
    static Slab* slab;
    static void* others;
    static Home others_home;
    slab = &region.first_of_block(slab_of(slots[500]));
    epochs.advance();
    own_heap().renew();
    const auto one = std::find_if(slots.begin(), slots.end(), [](void* at) { return &slab_of(at) == slab; });
    void* const last = *one;
    slots.erase(one);
    put_all(slots);
    REQUIRE(popcount(slab->live_slots()) == 1);
    slab->home.store(slab->home.load() | kMarked);
    step_hook = [](Step at) {
        if (at != Step::marked_freed) return;
        step_hook = nullptr;
        elsewhere([] {
            others = get(256);
            slab_of(others).marks.store(1);  // as in the middle of marking it
            others_home = slab->home.load();
        });
    };
    put(last);
    step_hook = nullptr;
    REQUIRE(others != nullptr);
    REQUIRE(&slab_of(others) == slab);
    CHECK(slab->home.load() == others_home);
    slab->marks.store(0);
    put(others);
    CHECK(own_heap().is_valid());
}
