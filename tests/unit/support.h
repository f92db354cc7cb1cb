// What the unit tests share: Catch2 of either major version, the core started once, and its calls in short
// form.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/allocator.h"
#include "core/reclaim.h"

namespace tslab::test {

// The region as the library makes it, on first use. Serves from 1 byte up, so that every class is covered.
inline void start_core() {
    if (phase() != Phase::unstarted) return;
    setenv("TSLAB_MIN_SIZE", "1", 1);
    setenv("TSLAB_RESERVE", "64G", 1);
    start({"test", false, nullptr}, true);
    REQUIRE(phase() == Phase::active);
}

// Of a random test, printed once; SEED=n repeats a run.
inline std::uint64_t seed() {
    static const std::uint64_t value = [] {
        const char* const wanted = getenv("SEED");
        const std::uint64_t chosen = wanted != nullptr ? std::stoull(wanted) : std::random_device{}();
        std::printf("SEED=%llu\n", static_cast<unsigned long long>(chosen));
        return chosen;
    }();
    return value;
}

// Opens a private member, to set what would take days to count up: in an explicit instantiation access is not
// checked.
//
//   struct Name { using Type = T Class::*; friend Type member(Name); };
//   template struct Open<Name, &Class::member_>;      and then object.*member(Name{})
template <typename Name, typename Name::Type M>
struct Open {
    friend typename Name::Type member(Name) { return M; }
};

struct GainFound {
    using Type = std::atomic<Gain> Reclaim::*;
    friend Type member(GainFound);
};
template struct Open<GainFound, &Reclaim::gain_>;
// Until a pass ends.
inline void pretend(Gain gain) { reclaim.*member(GainFound{}) = gain; }

inline void* get(std::size_t bytes) {
    void* const slot = allocate(bytes);
    return slot != nullptr ? slot : allocate_slow(bytes);
}

inline void put(void* slot) {
    Held held;
    if (!free_owned(slot, held) && !free_in_slab(held)) free_owned_slow(slot);
}

inline Heap& own_heap() {
    if (this_thread.heap == nullptr) put(get(64));
    return *this_thread.heap;
}

// Folds what other threads have freed, of so many slabs of each class at most.
inline void collect(unsigned most_slabs, Heap& heap = own_heap()) {
    for (unsigned c = 0; c < kClasses; c++) heap.collect(c, most_slabs);
}

// Runs `work` on a thread of its own, to its end.
template <typename Work>
void elsewhere(Work work) {
    std::thread(work).join();
}

// Whether the child ends with status 0; waits for it.
inline bool ends_well(pid_t child) {
    int status = 0;
    return waitpid(child, &status, 0) == child && status == 0;
}

// Runs `work` in a child, which is to end with status 0.
template <typename Work>
void in_child(Work work) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(work());
    CHECK(ends_well(child));
}

inline Slab& slab_of(const void* slot) { return *region.locate(slot).slab; }

inline std::vector<void*> get_many(std::size_t count, std::size_t bytes) {
    std::vector<void*> slots(count);
    for (void*& slot : slots) {
        slot = get(bytes);
        if (slot == nullptr) FAIL("no slot for " << bytes << " bytes");  // a REQUIRE takes longer than a get
        std::memset(slot, 0x5a, bytes);
    }
    return slots;
}

inline void put_all(std::vector<void*>& slots) {
    for (void* slot : slots) put(slot);
    slots.clear();
}

// Live slots by the slabs' own words, over all classes.
inline std::size_t live_slots() {
    std::size_t total = 0;
    for (unsigned c = 0; c < kClasses; c++) {
        for (std::uint32_t i = 0; i < region.opened(c); i++) {
            const Slab& slab = region.slab_at(c, i);
            total += popcount(slab.live.get() & ~slab.remote_free.load());
        }
    }
    return total;
}

inline bool slabs_are_valid() {
    for (unsigned c = 0; c < kClasses; c++) {
        for (std::uint32_t i = 0; i < region.opened(c); i++) {
            if (!region.slab_at(c, i).is_valid()) return false;
        }
    }
    return true;
}
inline void check_slabs() { REQUIRE(slabs_are_valid()); }

// More ticks than any test needs for what it waits for.
inline constexpr unsigned kMostTicks = 1'000'000;

// Until every class has been added up from here on: the pass that is under way is past some.
inline void pass_once() {
    const auto sweeps = reclaim.sweeps();
    for (unsigned i = 0; reclaim.sweeps() < sweeps + 2; i++) {
        REQUIRE(i < kMostTicks);
        reclaim.tick(std::size_t{4} << 20, 0);
    }
}

inline std::uint64_t figure(Figure which) { return stats.get(which); }

}  // namespace tslab::test
