// Gives pages without a live or held slot back to the kernel, little by little, on a clock of bytes: one
// cursor walks the blocks of every class in turn, and a page found empty by two visits in a row is purged.
//
//   slabs visited by a tick      <= kVisitsPerTick and one block
//   resident bytes visited       <= kSweepFactor * bytes clocked + those of one tick
//   system calls by a tick       <= 1
//   system calls by all          <= bytes clocked / kBytesPerCall
//   bytes clocked by a full pass >= kLeastPassBytes
#pragma once

#include "region.h"

namespace tslab {

inline constexpr std::size_t kTickBytes = 8192;  // a heap ticks when it has clocked this much
inline constexpr std::size_t kSweepFactor = 8;
inline constexpr unsigned kVisitsPerTick = 64;
inline constexpr std::size_t kBytesPerCall = std::size_t{64} << 10;
inline constexpr std::size_t kLeastPassBytes = std::size_t{1} << 20;
inline constexpr unsigned kMostPatience = 256;

class Reclaim {
  public:
    // `bytes` were allocated and freed since the caller's last tick. Any thread; false, with nothing done,
    // while another thread is at it.
    TSLAB_COLD bool tick(std::size_t bytes);

    // Purges every page that is empty now; takes time in proportion to the slabs. Returns the bytes given
    // back.
    TSLAB_COLD std::size_t purge_now();

    // In a forked child: a walk that was under way when the process was copied is nobody's, and where it
    // stood may have been copied half-written.
    void begin_generation() {
        class_ = 0;
        index_ = 0;
        walking_.store(false, std::memory_order_relaxed);
    }

    std::uint64_t sweeps() const { return sweeps_.load(std::memory_order_relaxed); }

  private:
    bool find_block();
    void end_pass();
    bool begin_walk() { return !walking_.exchange(true, std::memory_order_acquire); }
    void end_walk() { walking_.store(false, std::memory_order_release); }

    std::atomic<bool> walking_{};          // any; a try-lock: nobody waits for it
    std::atomic<bool> off_{};              // any: the kernel refused once
    std::atomic<std::uint64_t> sweeps_{};  // who walks: full passes
    unsigned class_{};                     // who walks, as all below: where the cursor stands
    std::uint32_t index_{};
    unsigned patience_{1};             // passes take this much longer, up to kMostPatience
    std::uint64_t purged_before_{};    // pages, when the last pass ended
    std::uint64_t retaken_before_{};   // pages, when the last pass ended
    std::uint64_t recently_purged_{};  // pages, of older passes less and less
    std::size_t pass_bytes_{};         // clocked since this pass began
    std::int64_t visit_bytes_{};       // that may still be visited; below zero where a tick went beyond
    std::size_t call_bytes_{};         // clocked and not yet spent on system calls
};

TSLAB_INTERNAL extern constinit Reclaim reclaim;

}  // namespace tslab
