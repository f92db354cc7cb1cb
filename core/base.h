// The ground every module stands on: code placement, assertions, step points, bit arithmetic.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

// A hot function is small, always inlined, and leaves the rare case to a tail call, mostly of its cold
// partner `…_slow`.
#define TSLAB_HOT [[gnu::always_inline]] inline
#define TSLAB_COLD [[gnu::cold, gnu::noinline]]
// On the declaration of every variable that files share: reached directly, not through the table that lets
// other libraries replace it.
#define TSLAB_INTERNAL [[gnu::visibility("hidden")]]
#define TSLAB_EXPORT extern "C" [[gnu::visibility("default")]]

namespace tslab {

inline constexpr std::size_t kCacheLine = 64;

// Points between two writes of a protocol. A test build stops at them to run another thread's part by hand;
// in the library they are nothing.
enum class Step {
    take_resident,       // pages of the batch noted resident, its slots still free
    take_free,           // slots out of `free`, not yet on the stack
    free_remote_tested,  // live seen, remote_free not yet or-ed
    free_remote_set,     // remote_free or-ed, slab not yet queued
    free_remote_queued,  // slab marked as queued, not yet on the pending stack
    collect_popped,      // slab off the pending stack, its words untouched
    collect_freed,       // `free` and `live` written, remote_free not yet cleared
    unused_asked,        // what others have freed read, `free` not yet
    open_claimed,        // slab current, not yet in the bin
    acquire_popped,      // slab off the pool or fresh, not yet owned
    release_unowned,     // slab without owner, not yet in the pool
    purge_claimed,       // block claimed by the purger, words not yet read
    purge_advised,       // pages given back, not yet noted
    abandon_emptied,     // stacks emptied, heap not yet up for adoption
    heap_taken,          // heap a thread's own from here on, not yet said
    heap_left,           // heap no thread's, not yet up for adoption
    marked_freed,        // slot of a marked slab free, the slab's home without the mark
    arm_due_set,         // due_ written, the word not yet armed for it
    record_found,        // an epoch's record looked up, not yet read
    rows_published,      // rows written to the telemetry file, not yet said to be whole
};

#ifdef TSLAB_STEPS
inline constinit std::atomic<void (*)(Step)> step_hook{};
inline void step(Step at) {
    if (void (*const hook)(Step) = step_hook.load()) hook(at);
}
#else
inline void step(Step) {}
#endif

#ifdef TSLAB_ASSERTS
#define TSLAB_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())
#else
#define TSLAB_ASSERT(condition) ((void)0)
#endif

// What a call of the malloc family does of our own is bounded, whatever the state of the process: so many
// slabs looked at, so many system calls. What a call does for the whole process on demand (trim) is not one
// of these.
enum class Work : unsigned { slab_visit, system_call, count };
// System calls: five where a class opens its first slab, and one of the tick behind it; a thread's first
// request makes up to two more, for its heap.
inline constexpr unsigned kMostWork[] = {160, 6};

// One such call. The checked build counts what it does, and the calls that did more than they may.
class BoundedCall {
#ifdef TSLAB_ASSERTS
  public:
    BoundedCall() {
        for (unsigned& done : done_) done = 0;
    }
    ~BoundedCall() {
        for (unsigned i = 0; i < static_cast<unsigned>(Work::count); i++) {
            if (done_[i] > kMostWork[i]) broken.fetch_add(1, std::memory_order_relaxed);
            if (done_[i] > most[i].load(std::memory_order_relaxed))
                most[i].store(done_[i], std::memory_order_relaxed);
        }
    }
    static void did(Work work) { done_[static_cast<unsigned>(work)]++; }

    inline static constinit std::atomic<unsigned> broken{};  // calls that did more than they may
    inline static constinit std::atomic<unsigned> most[static_cast<unsigned>(Work::count)]{};  // by one call

  private:
    inline static constinit thread_local unsigned done_[static_cast<unsigned>(Work::count)]{};
#else
  public:
    BoundedCall() {}
    ~BoundedCall() {}
    static void did(Work) {}
#endif
};

using Word = std::uint64_t;  // one bit per slot

constexpr Word bit(unsigned slot) { return Word{1} << (slot & 63); }
constexpr Word low_bits(unsigned count) { return count >= 64 ? ~Word{0} : (Word{1} << count) - 1; }
constexpr unsigned lowest(Word word) { return static_cast<unsigned>(__builtin_ctzll(word)); }

// Baseline x86-64 has no popcount instruction and libgcc's table lookup misses the cache.
constexpr unsigned popcount(Word word) {
    word -= (word >> 1) & 0x5555555555555555;
    word = (word & 0x3333333333333333) + ((word >> 2) & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return static_cast<unsigned>((word * 0x0101010101010101) >> 56);
}

constexpr std::size_t round_up(std::size_t value, std::size_t power_of_two) {
    return (value + power_of_two - 1) & ~(power_of_two - 1);
}
constexpr std::size_t round_down(std::size_t value, std::size_t power_of_two) {
    return value & ~(power_of_two - 1);
}
constexpr unsigned log2_floor(std::size_t value) {
    return 63 - static_cast<unsigned>(__builtin_clzll(value));
}

// The processor's counter of time; its ticks are of one length, which only the clock can tell.
inline std::uint64_t read_ticks() {
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    std::uint64_t now;
    __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(now));
    return now;
#endif
}

// A value that one thread writes and any thread may read: plain loads and stores to the processor.
template <typename T>
class Shared {
  public:
    TSLAB_HOT T get() const { return __atomic_load_n(&value_, __ATOMIC_RELAXED); }
    TSLAB_HOT void set(T value) { __atomic_store_n(&value_, value, __ATOMIC_RELAXED); }
    // For who writes it, whose reading no other write can meet: may be part of another instruction.
    TSLAB_HOT T get_own() const { return value_; }
    // Who gets it so sees what was set before it was set so.
    T get_acquire() const { return __atomic_load_n(&value_, __ATOMIC_ACQUIRE); }
    void set_release(T value) { __atomic_store_n(&value_, value, __ATOMIC_RELEASE); }

  private:
    T value_{};
};

}  // namespace tslab
