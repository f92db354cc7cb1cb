// Windows of allocation time. The process has one open epoch; it closes, and the next opens, on a clock of
// bytes allocated and freed or when the program says so. A domain has an epoch of its own, open as long as it
// is. Either kind draws its numbers from a row of its own, in which they only grow.
//
//   nth epoch of a kind == bits 0 to 30 and 32 to 63 of its number
//   epoch length == TSLAB_EPOCH_BYTES, or the larger of kLeastEpochBytes and kEpochFactor * bytes resident
//   now
#pragma once

#include "region.h"

namespace tslab {

inline constexpr std::size_t kLeastEpochBytes = std::size_t{16} << 20;
inline constexpr std::size_t kEpochFactor = 2;
// Bit 31 of the numbers of either kind.
inline constexpr std::uint64_t kOfProcess = 0;
inline constexpr std::uint64_t kOfDomain = std::uint64_t{1} << 31;
inline constexpr unsigned kEpochRecords = 1024;  // so many are remembered, of the process and of domains each
static_assert(kOfDomain % kEpochRecords == 0);   // so many in a row of a kind have places of their own
inline constexpr unsigned kLabelWords = 5;
inline constexpr std::size_t kLabelBytes = kLabelWords * sizeof(Word);  // with the final 0

constexpr std::uint64_t number_of_nth(std::uint64_t nth, std::uint64_t kind) {
    return nth + (nth & ~(kOfDomain - 1)) + kind;
}
constexpr std::uint64_t nth_of(std::uint64_t epoch) {
    return (epoch >> 32) * kOfDomain + (epoch & (kOfDomain - 1));
}

// What is remembered of an epoch. Its live objects and slabs are not: they are read off the descriptors.
struct EpochRecord {
    // any: whose record it is; 0 while it is being written. Who acquires any of what is then written finds
    // another number here afterwards.
    std::atomic<std::uint64_t> epoch{};
    Shared<std::uint64_t> era;        // who opens: the process's epoch then; of the process's own, itself
    Shared<std::uint64_t> before;     // who opens: the process's epoch when this one was opened; 0 for none
    Shared<std::uint64_t> opened_ms;  // who opens: on the clock of os::monotonic_ms
    Shared<std::uint64_t> closed_ms;  // who closes: 0 while open
    std::atomic<std::uint32_t> opened{};    // any: slabs opened in it
    std::atomic<std::uint32_t> released{};  // any: of these, slabs that became empty
    std::atomic<std::uint32_t> refilled{};  // any: slabs that joined a later epoch with objects of this one
    Shared<Word> label[kLabelWords];        // who labels
};

// A record as it was at one moment.
struct EpochPast {
    std::uint64_t epoch;
    std::uint64_t era;
    std::uint64_t age_ms;     // since it was opened
    std::uint64_t closed_ms;  // since it was closed; 0 while open
    bool open;
    std::uint32_t opened;
    std::uint32_t released;
    std::uint32_t refilled;
    Word label[kLabelWords];
};

// Those of one kind.
struct EpochRow {
    std::atomic<std::uint64_t> drawn{};  // any: as many numbers
    EpochRecord records[kEpochRecords]{};
};

// What an epoch's slabs hold now.
struct EpochUse {
    std::uint64_t slabs;
    std::uint64_t live_objects;
    std::uint64_t live_bytes;         // of their slots
    std::uint64_t resident_bytes;     // with those of its slabs that were released and not opened again
    std::uint64_t reclaimable_bytes;  // of these, pages without a live or held slot
};

class Epochs {
  public:
    // Acquire pairs with advance: who knows the number finds the record.
    std::uint64_t current() const { return current_.load(std::memory_order_acquire); }

    // Whether there is or was one of this number.
    bool has_had(std::uint64_t epoch) {
        const std::uint64_t nth = nth_of(epoch);
        return nth != 0 && nth <= row_of(epoch).drawn.load(std::memory_order_relaxed);
    }

    // Opens the process's first epoch.
    void start();
    // Opens the process's next epoch and closes the one before. Any thread. Returns the number.
    std::uint64_t advance();
    // Opens and closes an epoch for a domain.
    std::uint64_t open();
    void close(std::uint64_t epoch);

    // `bytes` were allocated from slabs and freed to them. Who walks.
    void clock(std::size_t bytes) {
        clocked_.set(clocked_.get() + bytes);
        if (clocked_.get() >= length()) advance();
    }
    // Bytes of the clock until the open epoch ends, counted from its beginning.
    std::size_t length() const;

    // Any thread, with what a slab's home keeps of the number. Null where it is no longer remembered.
    EpochRecord* record(std::uint64_t epoch);
    // The same, read; all 0 where it returns false.
    bool recall(std::uint64_t epoch, EpochPast& past);
    // Any thread; takes time in proportion to all slabs.
    EpochUse use(std::uint64_t epoch) const;
    // The first bytes of the text, as many as a label has. One thread at a time. False where the epoch is no
    // longer remembered.
    bool label(std::uint64_t epoch, const char* text);
    void count_opened(std::uint32_t epoch, unsigned slabs) { count(epoch, &EpochRecord::opened, slabs); }
    void count_released(std::uint32_t epoch, unsigned slabs) { count(epoch, &EpochRecord::released, slabs); }
    void count_refilled(std::uint32_t epoch, unsigned slabs) { count(epoch, &EpochRecord::refilled, slabs); }

  private:
    using Count = std::atomic<std::uint32_t> EpochRecord::*;
    void count(std::uint32_t epoch, Count which, unsigned slabs);
    EpochRow& row_of(std::uint64_t epoch) { return (epoch & kOfDomain) != 0 ? of_domains_ : of_process_; }
    std::uint64_t open_record(std::uint64_t before, std::uint64_t kind);
    void judge(std::uint64_t newest);

    std::atomic<std::uint64_t> current_{};  // any: the process's
    // who walks: since an epoch was opened; who opens one sets it to 0. Refills read what stands before it.
    alignas(kCacheLine) Shared<std::size_t> clocked_;
    EpochRow of_process_{};
    EpochRow of_domains_{};
};

TSLAB_INTERNAL extern constinit Epochs epochs;

}  // namespace tslab
