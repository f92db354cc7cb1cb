// What comes back soon after ticks gave it back is charged, and time pays.
#include "core/os.h"
#include "core/reclaim.h"
#include "faults.h"
#include "residency.h"
#include "sweeps.h"

namespace tslab::test {

struct YoungBytes {
    using Type = std::uint64_t Reclaim::*;
    friend Type member(YoungBytes);
};
template struct Open<YoungBytes, &Reclaim::young_bytes_>;

struct Balance {
    using Type = std::int64_t Reclaim::*;
    friend Type member(Balance);
};
template struct Open<Balance, &Reclaim::balance_bytes_>;

struct PassBytes {
    using Type = std::size_t Reclaim::*;
    friend Type member(PassBytes);
};
template struct Open<PassBytes, &Reclaim::pass_bytes_>;

}  // namespace tslab::test

using namespace tslab;
using namespace tslab::test;

namespace {

constexpr std::size_t kClass = class_of(256);

// All of it is free at the end of each wave, and taken again by the next one. Returns the bytes of pages that
// were retaken.
template <typename Between>
std::size_t make_waves(unsigned waves, std::size_t count, Between between) {
    const auto before = figure(Figure::pages_retaken);
    for (unsigned i = 0; i < waves; i++) {
        auto slots = get_many(count, 256);
        put_all(slots);
        between();
    }
    return (figure(Figure::pages_retaken) - before) * region.page_bytes();
}

constexpr std::size_t spike_bytes = std::size_t{200'000} * 256;
std::vector<void*> make_spike() {
    auto slots = get_many(spike_bytes / 256, 256);
    CHECK(resident_by_kernel() >= spike_bytes);
    return slots;
}

// On a clock that stands.
void let_pass(std::uint64_t ms) {
    clock_step_ms = ms;
    os::monotonic_ms();
    clock_step_ms = 0;
}

void end_pass() {
    auto& clocked = reclaim.*member(PassBytes{});
    for (std::size_t before = 0; clocked >= before;) {
        before = clocked + 1;
        reclaim.tick(kLeastPassBytes, 0);
    }
}

}  // namespace

TEST_CASE("pages are not given back while time has not paid for those that were taken again", "[charge]") {
    start_core();
    forget_what_was_in_vain();
    trim();
    const std::size_t count = 100'000;
    const auto retaken_by = [](unsigned waves) { return make_waves(waves, count, [] {}); };
    CHECK(retaken_by(12) > 2 * kMostSaved);
    {
        const ClockStands stands;
        retaken_by(8);
        CHECK(retaken_by(4) == 0);
        CHECK(resident_by_kernel() > count * 256 * 9 / 10);
    }
    CHECK(retaken_by(8) > kMostSaved);
    own_heap().abandon();
    trim();
}

TEST_CASE("nothing is charged for what the program gives back itself", "[charge]") {
    start_core();
    forget_what_was_in_vain();
    trim();
    const ClockStands stands;
    CHECK(make_waves(16, 20'000, [] { trim(); }) > 2 * kMostSaved);
    auto slots = make_spike();
    put_all(slots);
    CHECK(resident_by_kernel() < spike_bytes / 2);
    own_heap().abandon();
    trim();
}

TEST_CASE("a spike is given back by its own frees, however many there were before", "[charge]") {
    start_core();
    forget_what_was_in_vain();
    trim();
    const ClockStands stands;
    for (unsigned i = 0; i < 4; i++) {
        auto slots = make_spike();
        put_all(slots);
        CHECK(resident_by_kernel() < spike_bytes / 2);
        let_pass(2000);
    }
    own_heap().abandon();
    trim();
}

TEST_CASE("time pays for what was retaken while it passed, and no more than a while is owed", "[charge]") {
    start_core();
    forget_what_was_in_vain();
    trim();
    const auto balance_after = [](std::int64_t retaken, std::uint64_t ms) {
        reclaim.*member(YoungBytes{}) = static_cast<std::uint64_t>(retaken);
        stats.add_in(kClass, Figure::pages_retaken,
                     static_cast<std::uint64_t>(retaken) / region.page_bytes());
        let_pass(ms);
        end_pass();
        return reclaim.*member(Balance{});
    };
    const ClockStands stands;
    CHECK(balance_after(0, 500) == kMostSaved);
    CHECK(balance_after(2 * kMostSaved, 400) >= 0);
    CHECK(balance_after(0, 500) == kMostSaved);
    CHECK(balance_after(kMostSaved, 0) == 0);
    CHECK(balance_after(kMostSaved, 0) == -kMostSaved);
    CHECK(balance_after(100 * kMostSaved, 0) == -kMostOwed);
    CHECK(balance_after(0, 999) < 0);
    CHECK(balance_after(0, 999) >= 0);
    CHECK(balance_after(100 * kMostSaved, kYoungMs) == kMostSaved);
}
