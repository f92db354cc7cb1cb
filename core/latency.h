// How long calls took, as log-linear histograms: exact below kSteps ticks of the cycle counter, and kSteps
// buckets for each further power of two.
//
//   a bucket's width <= its least value / kSteps, so a value is known to within 1 / kSteps of itself
//   values of 2^kBits ticks and more are counted in the last bucket; the largest is known exactly
#pragma once

#include "base.h"

namespace tslab {

class Histogram {
  public:
    static constexpr unsigned kStepBits = 5;
    static constexpr unsigned kSteps = 1 << kStepBits;
    static constexpr unsigned kBits = 44;  // hours, at any clock rate
    static constexpr unsigned kBuckets = (kBits - kStepBits + 1) * kSteps;

    static constexpr unsigned bucket_of(std::uint64_t value) {
        if (value < kSteps) return static_cast<unsigned>(value);
        if (value >> kBits != 0) return kBuckets - 1;
        const unsigned shift = log2_floor(value) - kStepBits;
        return (shift << kStepBits) + static_cast<unsigned>(value >> shift);
    }
    // The bucket holds the values from least_of(bucket) to below least_of(bucket + 1).
    static constexpr std::uint64_t least_of(unsigned bucket) {
        if (bucket < 2 * kSteps) return bucket;
        const unsigned shift = (bucket >> kStepBits) - 1;
        return std::uint64_t{kSteps + (bucket & (kSteps - 1))} << shift;
    }

    // Any thread.
    void add(std::uint64_t value) {
        buckets_[bucket_of(value)].fetch_add(1, std::memory_order_relaxed);
        std::uint64_t seen = largest_.load(std::memory_order_relaxed);
        while (seen < value && !largest_.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
        }
    }

    std::uint64_t count_in(unsigned bucket) const { return buckets_[bucket].load(std::memory_order_relaxed); }
    std::uint64_t count() const;
    std::uint64_t largest() const { return largest_.load(std::memory_order_relaxed); }
    // The least value that this many of a million values do not exceed, rounded up within its bucket; 0 where
    // there is none. Of several, which do not fall, in one go.
    template <std::size_t wanted>
    void quantiles(const unsigned (&per_million)[wanted], std::uint64_t (&values)[wanted]) const {
        find_quantiles(per_million, values, wanted);
    }
    std::uint64_t quantile(unsigned per_million) const {
        std::uint64_t value;
        find_quantiles(&per_million, &value, 1);
        return value;
    }

  private:
    void find_quantiles(const unsigned* per_million, std::uint64_t* values, std::size_t wanted) const;

    std::atomic<std::uint64_t> buckets_[kBuckets]{};  // any
    std::atomic<std::uint64_t> largest_{};            // any
};

// What TSLAB_LATENCY measures: calls that we serve. A malloc from the moment it is known to be ours; a free
// from when its slab's words have been read, since only they tell that it is one to be timed.
enum class Timed : unsigned char { malloc, free, count };

// What is said of one call's times: p50, p90, p99, p99.9 and p99.99.
inline constexpr unsigned kQuantiles[] = {500000, 900000, 990000, 999000, 999900};
struct Times {
    std::uint64_t timed;  // calls
    std::uint64_t quantiles_ns[sizeof kQuantiles / sizeof *kQuantiles];
    std::uint64_t max_ns;
};

class Latency {
  public:
    // Learns what reading the counter costs, which is left out of every measurement.
    void start();
    // Any thread.
    void add(Timed call, std::uint64_t ticks) {
        histograms_[static_cast<unsigned>(call)].add(ticks > overhead_ ? ticks - overhead_ : 0);
    }
    // Any thread. A live object whose free is to be timed; false where there is no room to remember it.
    bool choose(const void* object);
    // Whether it was; not any more.
    bool forget(const void* object);

    const Histogram& of(Timed call) const { return histograms_[static_cast<unsigned>(call)]; }

    Times times(Timed call) const;

    // From ticks of the counter to time, by the clock since start().
    std::uint64_t nanoseconds(std::uint64_t ticks) const;

    // One line on stderr.
    void print(const char* program) const;

  private:
    static constexpr unsigned kChosen = 1 << 14;
    static constexpr unsigned kProbes = 16;
    std::atomic<std::uintptr_t>& chosen(const void* object, unsigned probe);

    std::atomic<std::uintptr_t> chosen_[kChosen]{};  // any: objects, and 0
    Histogram histograms_[static_cast<unsigned>(Timed::count)]{};
    bool is_on_ = false;  // fixed, as all below
    std::uint64_t overhead_ = 0;
    std::uint64_t started_ticks_ = 0;
    std::uint64_t started_ns_ = 0;
};

TSLAB_INTERNAL extern constinit Latency latency;

}  // namespace tslab
