// Two clocks: the kernel's for totals, the processor's counter for single calls.
#pragma once

#include <cstdint>
#include <ctime>

namespace bench {

inline std::uint64_t now_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(t.tv_nsec);
}

// The fences keep the timed call from starting before the first reading and from ending after the second.
#if defined(__x86_64__)
inline std::uint64_t ticks() {
    std::uint32_t low, high;
    asm volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high)::"memory");
    return (static_cast<std::uint64_t>(high) << 32) | low;
}
#elif defined(__aarch64__)
inline std::uint64_t ticks() {
    std::uint64_t count;
    asm volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(count)::"memory");
    return count;
}
#else
inline std::uint64_t ticks() { return now_ns(); }
#endif

// How long a tick is, measured over the life of this object.
class TickLength {
  public:
    double ns() const {
        const double elapsed_ns = static_cast<double>(now_ns() - start_ns_);
        return elapsed_ns / static_cast<double>(ticks() - start_ticks_);
    }

  private:
    std::uint64_t start_ns_ = now_ns();
    std::uint64_t start_ticks_ = ticks();
};

}  // namespace bench
