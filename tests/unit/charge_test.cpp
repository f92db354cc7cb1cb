// What comes back soon after ticks gave it back is charged, and time pays.
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

struct PassesToSweep {
    using Type = unsigned Reclaim::*;
    friend Type member(PassesToSweep);
};
template struct Open<PassesToSweep, &Reclaim::passes_to_sweep_>;

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
std::size_t make_waves(unsigned waves, std::size_t count, Between between, std::size_t bytes = 256) {
    const auto before = figure(Figure::pages_retaken);
    for (unsigned i = 0; i < waves; i++) {
        auto slots = get_many(count, bytes);
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

// Nothing was in vain so far, and nothing is resident, before and after.
struct Fresh {
    Fresh() {
        start_core();
        forget_what_was_in_vain();
        trim();
    }
    ~Fresh() {
        own_heap().abandon();
        trim();
    }
};

void end_pass() {
    auto& clocked = reclaim.*member(PassBytes{});
    for (std::size_t before = 0; clocked >= before;) {
        before = clocked + 1;
        reclaim.tick(kLeastPassBytes, 0);
    }
}

}  // namespace

TEST_CASE_METHOD(Fresh, "pages are not given back while time has not paid for those that were taken again",
                 "[charge]") {
    const std::size_t count = 100'000;
    const auto retaken_by = [](unsigned waves) { return make_waves(waves, count, [] {}); };
    CHECK(retaken_by(24) > 2 * kMostPaid);
    {
        const ClockStands stands;
        retaken_by(16);
        CHECK(retaken_by(4) == 0);
        CHECK(resident_by_kernel() > count * 256 * 9 / 10);
        options.reclaim = Reclaiming::eager;  // it owes nothing
        CHECK(retaken_by(4) > count * 256);
        options.reclaim = Reclaiming::normal;
    }
    CHECK(retaken_by(16) > kMostPaid);
}

TEST_CASE_METHOD(Fresh, "nothing is charged for what the program gives back itself", "[charge]") {
    const ClockStands stands;
    CHECK(make_waves(80, 20'000, [] { trim(); }) > 2 * kMostPaid);
    auto slots = make_spike();
    put_all(slots);
    CHECK(resident_by_kernel() < spike_bytes / 2);
}

TEST_CASE_METHOD(Fresh, "a spike is given back by its own frees, however many there were before",
                 "[charge]") {
    const ClockStands stands;
    for (unsigned i = 0; i < 4; i++) {
        auto slots = make_spike();
        put_all(slots);
        CHECK(resident_by_kernel() < spike_bytes / 2);
        let_pass(2000);
    }
}

TEST_CASE_METHOD(Fresh, "time pays for what was retaken while it passed, and no more than a while is owed",
                 "[charge]") {
    const auto balance_after = [](std::int64_t retaken, std::uint64_t ms, std::int64_t given_back = -1) {
        if (given_back < 0) given_back = retaken;
        reclaim.*member(YoungBytes{}) += static_cast<std::uint64_t>(given_back);
        stats.add_in(kClass, Figure::pages_retaken,
                     static_cast<std::uint64_t>(retaken) / region.page_bytes());
        let_pass(ms);
        end_pass();
        return reclaim.*member(Balance{});
    };
    const ClockStands stands;
    CHECK(balance_after(0, 999) >= 0);
    CHECK(balance_after(0, 999) == kMostPaid);
    CHECK(balance_after(kMostPaid, 0) == 0);
    CHECK(balance_after(kMostPaid / 2, 0) == -kMostPaid / 2);
    CHECK(balance_after(kMostPaid / 4, 0, 0) == -kMostPaid / 2);  // what went was charged before
    CHECK(balance_after(100 * kMostPaid, 0) == -kMostPaid);
    CHECK(balance_after(0, 999) < 0);
    CHECK(balance_after(0, 999) >= 0);
    CHECK(balance_after(100 * kMostPaid, kYoungMs) > 0);
}

TEST_CASE_METHOD(Fresh, "time pays before a pass ends, and what is left of the pass is a sweep", "[charge]") {
    const ClockStands stands;
    make_waves(24, 200'000, [] {});
    const std::size_t kept = resident_by_kernel();
    REQUIRE(kept >= spike_bytes);
    end_pass();
    const auto sweeps = reclaim.sweeps();
    let_pass(kYoungMs);
    for (std::size_t clocked = 0; clocked < kept / kSweepFactor / 3 * 2; clocked += kTickBytes)
        reclaim.tick(kTickBytes, 0);
    CHECK(resident_by_kernel() < kept / 5 * 4);
    end_pass();
    CHECK(reclaim.sweeps() == sweeps);  // what it had passed before was not swept
}

TEST_CASE_METHOD(Fresh, "a pass that is no sweep for another reason does not become one when time pays",
                 "[charge]") {
    const ClockStands stands;
    unsigned& to_sweep = reclaim.*member(PassesToSweep{});
    for (const unsigned passes : {5u, 1u}) {
        to_sweep = passes;
        reclaim.*member(Balance{}) = -kMostPaid / 2;
        let_pass(kYoungMs - 1);
        reclaim.tick(1, 0);
        CHECK(to_sweep == (passes == 1 ? 0 : passes));
    }
}

TEST_CASE_METHOD(Fresh, "what some take again at once does not keep what others left", "[charge]") {
    const ClockStands stands;
    constexpr std::size_t count = 40'000;
    // Each size in turn has all that is in use, and takes again what it left in the turn before.
    for (unsigned turn = 0; turn < 12; turn++) {
        for (std::size_t bytes = 512; bytes <= 768; bytes += 32)
            make_waves(
                1, count, [] {}, bytes);
    }
    CHECK(resident_by_kernel() < 5 * count * 768);
}

TEST_CASE_METHOD(Fresh, "where the clock stands, memory is kept for some passes only", "[charge]") {
    const ClockStands stands;
    make_waves(24, 200'000, [] {});
    REQUIRE(resident_by_kernel() >= spike_bytes);
    for (unsigned pass = 0; pass < 2 * kLatelyPasses; pass++) end_pass();
    CHECK(resident_by_kernel() < spike_bytes / 10);
}

TEST_CASE_METHOD(Fresh, "where a pass takes long it is a sweep, whatever was in vain", "[charge]") {
    const ClockStands stands;
    const auto sweeps_of = [](std::uint64_t pass_ms) {
        reclaim.*member(Patience{}) = kMostPatience;
        end_pass();
        const auto before = reclaim.sweeps();
        for (int i = 0; i < 8; i++) {
            let_pass(pass_ms);
            end_pass();
        }
        return reclaim.sweeps() - before;
    };
    sweeps_of(0);
    CHECK(sweeps_of(kYoungMs / 2) == 0);
    CHECK(sweeps_of(kYoungMs) >= 7);
}

TEST_CASE("while much is free, what is recycled ticks like what slabs know of", "[charge]") {
    start_core();
    options.reclaim = Reclaiming::off;  // no call is spent
    std::vector<void*> held;
    const auto ticks_while = [&](Gain gain) {
        unsigned ticks = 0;
        for (unsigned round = 0; round < 200; round++) {
            pretend(gain);
            const std::size_t before = reclaim.*member(CallBytes{});
            for (unsigned i = 0; i < 2 * kTickBytes / 64; i++) put(get(64));
            for (unsigned i = 0; i < kStackSlots; i++) held.push_back(get(64));
            ticks += reclaim.*member(CallBytes{}) != before;
        }
        return ticks;
    };
    CHECK(ticks_while(Gain::small) < 150);
    CHECK(ticks_while(Gain::large) == 200);
    options.reclaim = Reclaiming::normal;
    put_all(held);
}

TEST_CASE_METHOD(Fresh, "while much is free, a tick that comes later makes all its visits", "[charge]") {
    const ClockStands stands;
    options.reclaim = Reclaiming::off;
    for (void* slot : make_spike()) free_quietly(slot);
    own_heap().abandon();
    reclaim.*member(Patience{}) = 1;
    for (int i = 0; i < 3; i++) end_pass();
    REQUIRE(reclaim.gain() == Gain::large);
    options.reclaim = Reclaiming::normal;
    reclaim.*member(CallBytes{}) = 2 * spike_bytes;
    constexpr unsigned ticks = 2000;
    static_assert(ticks * kSweepFactor * 64 < spike_bytes / 10);
    const auto tick = [](std::uint64_t apart_ms) {
        for (unsigned i = 0; i < ticks; i++) {
            let_pass(apart_ms);
            reclaim.tick(64, 0);
        }
        return resident_by_kernel();
    };
    CHECK(tick(0) > spike_bytes / 10 * 8);
    CHECK(tick(1) < spike_bytes / 10);
}
