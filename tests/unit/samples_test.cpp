#include "core/samples.h"

#include <cmath>
#include <random>

#include "core/domain.h"
#include "core/pinners.h"
#include "support.h"

using namespace tslab;
using namespace tslab::test;

namespace {

constexpr std::size_t kRate = 4096;

void start_samples() {
    if (!samples.is_on()) REQUIRE(samples.start(kRate));
}

const void* address(std::size_t i) { return reinterpret_cast<const void*>(0x10000 + i * 16); }

// Objects in the table that were added here.
unsigned count_live() {
    unsigned live = 0;
    Sample sample{};
    for (unsigned i = 0; i < Samples::kEntries; i++) live += samples.get(i, sample);
    return live;
}

}  // namespace

TEST_CASE("intervals are exponential with the rate as their mean", "[samples]") {
    start_samples();
    std::mt19937_64 random(1);
    constexpr int kDraws = 400000;
    double sum = 0;
    int above_mean = 0;
    int above_twice = 0;
    for (int i = 0; i < kDraws; i++) {
        const auto interval = static_cast<double>(samples.next_interval(random()));
        REQUIRE(interval >= 0);
        sum += interval;
        above_mean += interval > kRate;
        above_twice += interval > 2.0 * kRate;
    }
    // Five standard errors each.
    CHECK(std::abs(sum / kDraws / kRate - 1) < 5 / std::sqrt(kDraws));
    CHECK(std::abs(double(above_mean) / kDraws - std::exp(-1)) < 5 * 0.5 / std::sqrt(kDraws));
    CHECK(std::abs(double(above_twice) / kDraws - std::exp(-2)) < 5 * 0.5 / std::sqrt(kDraws));
    CHECK(samples.next_interval(~std::uint64_t{0}) == 0);
    CHECK(samples.next_interval(0) > samples.next_interval(std::uint64_t{1} << 12));
}

TEST_CASE("a sample stands for 1 / (1 - exp(-bytes / rate)) objects", "[samples]") {
    start_samples();
    for (const double bytes : {1.0, 64.0, 100.0, 768.0, 4096.0, 100000.0, 1e7}) {
        const double due = 1 / -std::expm1(-bytes / kRate);
        CHECK(std::abs(samples.weight(bytes) / due - 1) < 1e-7);
    }
}

TEST_CASE("what is sampled this way adds up to what was allocated", "[samples]") {
    start_samples();
    std::mt19937_64 random(2);
    for (const std::size_t bytes : {64u, 300u, 768u, 20000u}) {
        double estimate = 0;
        std::int64_t left = samples.next_interval(random());
        constexpr int kObjects = 1000000;
        int taken = 0;
        for (int i = 0; i < kObjects; i++) {
            left -= static_cast<std::int64_t>(bytes);
            if (left >= 0) continue;
            left = samples.next_interval(random());
            estimate += samples.weight(static_cast<double>(bytes));
            taken++;
        }
        CHECK(std::abs(estimate / kObjects - 1) < 5 / std::sqrt(taken));
    }
}

TEST_CASE("a sample is found at its free, and once", "[samples]") {
    start_samples();
    const std::uintptr_t frames[] = {0x1000, 0x2000, 0x3000};
    const unsigned before = count_live();
    REQUIRE(samples.add({address(1), 100, 5, 0}, frames, 3));
    CHECK(count_live() == before + 1);
    CHECK_FALSE(samples.remove(address(2), 9));
    CHECK(samples.remove(address(1), 9));
    CHECK_FALSE(samples.remove(address(1), 9));
    CHECK(count_live() == before);
}

TEST_CASE("a site has its stack, and counts what it made, what was freed and after how many epochs",
          "[samples]") {
    start_samples();
    std::uintptr_t frames[kFrames];
    for (unsigned i = 0; i < kFrames; i++) frames[i] = 0x777000 + i;
    for (unsigned i = 0; i < 6; i++) REQUIRE(samples.add({address(100 + i), 64 + i, 10, 0}, frames, kFrames));
    for (unsigned i = 0; i < 4; i++) REQUIRE(samples.remove(address(100 + i), 10 + i));  // lived 0, 1, 2, 3
    bool found = false;
    for (unsigned number = 0; number < Samples::kSites; number++) {
        const Site& site = samples.site(number);
        if (site.depth != kFrames || site.frames[0].get() != frames[0]) continue;
        found = true;
        for (unsigned i = 0; i < kFrames; i++) CHECK(site.frames[i].get() == frames[i]);
        CHECK(site.made == 6);
        CHECK(site.made_bytes == 64 + 65 + 66 + 67 + 68 + 69);
        CHECK(site.freed == 4);
        CHECK(site.freed_bytes == 64 + 65 + 66 + 67);
        CHECK(site.lifetimes[0] == 1);
        CHECK(site.lifetimes[1] == 1);
        CHECK(site.lifetimes[2] == 2);
    }
    CHECK(found);
    CHECK(samples.remove(address(104), 10));
    CHECK(samples.remove(address(105), 10));
    CHECK(lifetime_of(~std::uint64_t{0}) == kLifetimes - 1);
}

TEST_CASE("an address that is sampled again has lost its old object", "[samples]") {
    start_samples();
    const std::uintptr_t frames[] = {0xabc000};
    const unsigned before = count_live();
    REQUIRE(samples.add({address(200), 64, 1, 0}, frames, 1));
    REQUIRE(samples.add({address(200), 80, 2, 0}, frames, 1));
    CHECK(count_live() == before + 1);
    CHECK(samples.remove(address(200), 3));
    CHECK(count_live() == before);
}

TEST_CASE("threads that add, and free each other's, lose nothing", "[samples]") {
    start_samples();
    const unsigned before = count_live();
    constexpr std::size_t kThreads = 4;
    constexpr std::size_t kEach = 20000;
    std::atomic<std::size_t> added{0};
    std::atomic<std::size_t> removed{0};
    std::vector<std::atomic<bool>> there(kThreads * kEach);
    const auto add = [&](std::size_t thread) {
        for (std::size_t i = thread * kEach; i < (thread + 1) * kEach; i++) {
            const std::uintptr_t frames[] = {0x5000 + i % 50, 0x6000};
            if (!samples.add({address(1000 + i), 64, 1, 0}, frames, 2)) continue;
            added++;
            there[i] = true;
            // Every other one is freed by the neighbour.
            const std::size_t other = (i + kEach) % there.size();
            if (i % 2 == 0 && there[other].exchange(false))
                removed += samples.remove(address(1000 + other), 1);
        }
    };
    std::vector<std::thread> threads;
    for (std::size_t thread = 0; thread < kThreads; thread++) threads.emplace_back(add, thread);
    for (std::thread& thread : threads) thread.join();
    CHECK(added == kThreads * kEach);
    CHECK(count_live() == before + added - removed);
    for (std::size_t i = 0; i < there.size(); i++) {
        if (there[i]) REQUIRE(samples.remove(address(1000 + i), 1));
    }
    CHECK(count_live() == before);
}

TEST_CASE("what does not fit is refused, and nothing else is lost", "[samples]") {
    start_samples();
    const std::uintptr_t frames[] = {0x9000};
    std::vector<std::size_t> kept;
    std::size_t refused = 0;
    for (std::size_t i = 0; i < Samples::kEntries + 10000; i++) {
        if (samples.add({address(1000000 + i), 64, 1, 0}, frames, 1)) {
            kept.push_back(i);
        } else {
            refused++;
        }
    }
    CHECK(refused >= 10000);
    CHECK(kept.size() > Samples::kEntries / 2);
    for (const std::size_t i : kept) REQUIRE(samples.remove(address(1000000 + i), 1));
}

TEST_CASE("pinners share out the free part of pages in closed epochs", "[samples]") {
    start_core();
    start_samples();
    constexpr std::size_t kBytes = 256;
    const std::size_t c = class_of(kBytes);
    const auto slots = get_many(64 * 64, kBytes);
    // Of each slab every object goes but its first.
    std::vector<void*> pins;
    for (void* const slot : slots) {
        if (region.locate(slot).slot == 0) {
            pins.push_back(slot);
        }
    }
    const std::uintptr_t pin_frames[] = {0xbad000};
    for (void* const pin : pins) REQUIRE(samples.add({pin, kBytes, epochs.current(), 0}, pin_frames, 1));
    const auto pinned_by_site = [&]() -> const Pinner {
        Pinners pinners;
        REQUIRE(pinners.gather());
        const int first = pinners.after(-1);
        if (first < 0) return {};
        CHECK(samples.site(static_cast<unsigned>(first)).frames[0].get() == 0xbad000);
        CHECK(pinners.after(first) == -1);
        return pinners.of(static_cast<unsigned>(first));
    };
    CHECK(pinned_by_site().objects == 0);  // the epoch is open
    epochs.advance();
    const double weight = samples.weight(kBytes);
    CHECK(pinned_by_site().alone_bytes == 0);
    for (void* const slot : slots) {
        if (region.locate(slot).slot != 0) put(slot);
    }
    const Pinner pinner = pinned_by_site();
    const double objects = static_cast<double>(pins.size());
    const double page = static_cast<double>(region.page_bytes());
    CHECK(std::abs(pinner.objects / (weight * objects) - 1) < 1e-9);
    CHECK(std::abs(pinner.bytes / (weight * objects * kBytes) - 1) < 1e-9);
    if (class_span(c) >= region.page_bytes()) {
        CHECK(std::abs(pinner.alone_bytes / (weight * objects * page) - 1) < 1e-9);
        CHECK(std::abs(pinner.pinned_bytes / (weight * objects * (page - kBytes)) - 1) < 1e-9);
    } else {
        // The pages hold as many objects as slabs.
        const double each = page / static_cast<double>(region.slabs_per_block(c)) - kBytes;
        CHECK(std::abs(pinner.pinned_bytes / (weight * objects * each) - 1) < 0.1);
    }
    for (void* const pin : pins) {
        samples.remove(pin, epochs.current());
        put(pin);
    }
}

TEST_CASE("objects of an open domain pin nothing, however long it is open", "[samples]") {
    start_core();
    start_samples();
    DomainHandle domain = 0;
    REQUIRE(domains.create(own_heap(), domain) == Refusal::none);
    REQUIRE(domains.enter(own_heap(), domain) == Refusal::none);
    void* const slot = get(256);
    REQUIRE(domains.exit(own_heap(), domain) == Refusal::none);
    const std::uintptr_t frames[] = {0xd0d0};
    REQUIRE(samples.add({slot, 256, epochs.current(), 0}, frames, 1));
    epochs.advance();
    const auto samples_used = [] {
        Pinners pinners;
        REQUIRE(pinners.gather());
        return pinners.used();
    };
    CHECK(samples_used() == 0);
    std::size_t given_back = 0;
    REQUIRE(domains.close(own_heap(), domain, given_back) == Refusal::none);
    CHECK(samples_used() == 1);
    REQUIRE(domains.destroy(own_heap(), domain) == Refusal::none);
    samples.remove(slot, epochs.current());
    put(slot);
}
