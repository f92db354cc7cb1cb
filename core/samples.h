// Requests sampled by bytes, with the call stack that made each: a table of call sites and one of the sampled
// objects that are live. Both are of fixed size and take no lock; what does not fit is dropped and counted.
//
//   P(an object of n bytes is sampled) == 1 − exp(−n / rate), so it stands for weight(n) == 1 / P of its kind
//   a site's made − freed == its objects in the table, but for threads at work now
#pragma once

#include "stats.h"

namespace tslab {

inline constexpr unsigned kFrames = 48;
inline constexpr unsigned kLifetimes = 16;  // 0, 1, 2–3, 4–7, … epochs; the last takes all that is longer

constexpr unsigned lifetime_of(std::uint64_t epochs_lived) {
    if (epochs_lived == 0) return 0;
    const unsigned at = log2_floor(epochs_lived) + 1;
    return at < kLifetimes ? at : kLifetimes - 1;
}

// A call stack that requests came from, and what is known of the sampled ones.
struct alignas(kCacheLine) Site {
    std::atomic<Word> hash{};                  // any: of the frames; 0 while the site is nobody's
    std::atomic<unsigned> depth{};             // any: 0 until the frames are there
    Shared<std::uintptr_t> frames[kFrames];    // whoever finds them missing, all with the same values
    std::atomic<std::uint64_t> made{};         // any
    std::atomic<std::uint64_t> made_bytes{};   // any: requested
    std::atomic<std::uint64_t> freed{};        // any
    std::atomic<std::uint64_t> freed_bytes{};  // any
    std::atomic<std::uint64_t> lifetimes[kLifetimes]{};  // any: those freed, by the epochs they lived
};

// A sampled object that is live.
struct Sample {
    const void* pointer;
    std::size_t bytes;    // requested
    std::uint64_t epoch;  // the process's when it was made
    unsigned site;
};

class Samples {
  public:
    static constexpr unsigned kSites = 1 << 13;
    static constexpr unsigned kEntries = 1 << 18;
    static constexpr unsigned kProbes = 16;

    // Reserves the tables; false where the kernel refuses. One sample for `rate` bytes on average.
    bool start(std::size_t rate);
    bool is_on() const { return entries_ != nullptr; }
    std::size_t rate() const { return rate_; }

    // Bytes until the next sample, from 64 random bits: exponential, with mean rate().
    std::int64_t next_interval(std::uint64_t random) const;
    // Objects of this size that one sample of them stands for.
    double weight(double bytes) const;

    // Any thread, as all below. False where the object could not be taken note of.
    bool add(const Sample& sample, const std::uintptr_t* frames, unsigned depth);
    // The object is being freed; false where it is not known.
    bool remove(const void* pointer, std::uint64_t epoch_now);

    const Site& site(unsigned number) const { return sites_[number]; }
    // Entry i < kEntries, false where it has no object. What is read while others change it is of one object.
    bool get(unsigned i, Sample& sample) const;

  private:
    struct Entry {
        std::atomic<std::uintptr_t> pointer;  // any: 0 free, kClaimed while it is being written
        // Who claimed it. Each is stored with release and read with acquire: who finds a new value in one of
        // them finds the old pointer gone.
        std::atomic<std::uint32_t> site;
        std::atomic<std::uint32_t> bytes;
        std::atomic<std::uint64_t> epoch;
    };
    static constexpr std::uintptr_t kClaimed = 1;

    static unsigned first_entry(std::uintptr_t pointer);
    int find_site(const std::uintptr_t* frames, unsigned depth);

    Site* sites_ = nullptr;  // fixed, as all below
    Entry* entries_ = nullptr;
    std::size_t rate_ = 0;
};

TSLAB_INTERNAL extern constinit Samples samples;

}  // namespace tslab
