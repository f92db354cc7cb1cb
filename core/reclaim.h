// Gives pages without a live or held slot back to the kernel, little by little, on a clock of bytes: one
// cursor walks the blocks of every class in turn, and a page found empty by two sweeps in a row is purged, or
// by one while much is free. A sweep is a pass that looks for empty pages; those between, where sweeps were
// in vain, only add up what is in use, which says of each class whether it keeps more free memory than the
// budget. Where much is being freed, a sweep of everything comes late: so each tick also looks back at a slab
// that was being freed into while the last 1 / kTrailShare of the resident bytes were clocked. Where sweeps
// were in vain it does so only while much is free.
//
// Calls that were not needed are saved for what a burst leaves. What is saved goes to long runs of pages
// first: a run shorter by kShortRunBytes has to leave twice as much. Where little is free it also waits till
// kLittleFactor times as much was clocked since the last call: a call is a long one for the malloc or free
// that makes it. A sweep that passed by a run for want of calls does not count as one.
//
// Clocked are the bytes of what slabs give to stacks and get back. What was freed to a stack and taken from
// it again may come to many times that, of which they say nothing: it is recycled, and clocked too when the
// heap next ticks; but as it changes no slab, less is visited for it, and no epoch ends by it.
//
// In bytes, a program that frees all it has and takes it again at once, over and over, looks like one that
// takes minutes to. So what ticks gave back lately is charged when it is taken again, and time pays: as long
// as it has not paid all, no sweep begins and no tick looks back. Nor is that so where more is free than
// kMostUnused times what was in use lately: what some take again at once does not keep what others left. A
// clock that was set back counts from there on; where it stands, memory is kept for some passes. Eager
// reclaim owes nothing.
//
// A program that does little ticks seldom. So a pass that took long is followed by a sweep, and while much is
// free what is recycled ticks like the rest, and a tick that the clock tells from the one before makes all
// its visits.
//
// What the kernel refuses to take is kept, and nothing is given back until kBytesPerCall more are clocked, or
// twice as many where it refuses the next call too: all memory may be locked, or one object of it.
//
//   slabs visited by a tick      <= kVisitsPerTick and two blocks
//   resident bytes visited       <= kSweepFactor * bytes clocked + those of one tick and of one run; of the
//                                   recycled once, not kSweepFactor times; or kVisitedAtLeisure for each tick
//                                   of the clock
//   system calls by a tick       <= 1, for less than a long run and one block, over kMostClaims blocks
//   system calls by all          <= bytes clocked / kBytesPerCall
//   bytes clocked by a full pass >= kLeastPassBytes
#pragma once

#include "epoch.h"
#include "run.h"

namespace tslab {

inline constexpr std::size_t kTickBytes = 8192;  // a heap ticks when it has clocked this much
inline constexpr std::size_t kSweepFactor = 16;
inline constexpr unsigned kVisitsPerTick = 64;
inline constexpr std::size_t kBytesPerCall = std::size_t{64} << 10;
inline constexpr std::size_t kLeastPassBytes = std::size_t{1} << 20;
inline constexpr unsigned kLeastRunVisits = 8;  // left to a tick that begins a run, so that it can be long
inline constexpr std::size_t kShortRunBytes = std::size_t{4} << 10;
inline constexpr std::size_t kLeastLookBack = std::size_t{8} << 10;
inline constexpr unsigned kTrail = 512;  // ticks that are remembered
inline constexpr unsigned kTrailShare = 64;
// Sweeps are not in vain where at most one page in so many bytes clocked is taken again, and another one for
// each kGainPerRetake that are free: it saved memory till then.
inline constexpr std::size_t kBytesPerRetake = std::size_t{1} << 20;
inline constexpr std::size_t kGainPerRetake = std::size_t{1} << 20;
inline constexpr unsigned kMostPatience = 256;
// What time pays, so that giving back and taking again is some tenth of what a program does, and what it pays
// in kYoungMs is saved at most, and owed at most. What stayed away for that long was worth it, and little of
// it is charged. In use lately is the most that was in the last kLatelyPasses passes or so.
inline constexpr std::uint64_t kPaidPerMs = std::uint64_t{192} << 10;
inline constexpr std::uint64_t kYoungMs = 1000;
inline constexpr std::int64_t kMostPaid = kPaidPerMs * kYoungMs;
inline constexpr unsigned kMostUnused = 2;
inline constexpr unsigned kLatelyPasses = 64;
inline constexpr std::int64_t kVisitedAtLeisure = std::int64_t{4} << 20;
// The next sweep is sooner where more is at stake: where more than a quarter of all is free, patience counts
// as kPatienceForGain at most, and as often that again as what is free goes into kLargeGain. Much is free
// where that is more than kLargeGain.
inline constexpr std::size_t kLargeGain = std::size_t{16} << 20;
inline constexpr std::size_t kSmallGain = std::size_t{1} << 20;
inline constexpr unsigned kPatienceForGain = 2;
// So many calls that are refused one after the other make the longest pause, and end a purge of everything.
inline constexpr unsigned kMostRefused = 8;
// Little is free where it is less than this share of all.
inline constexpr unsigned kLittleShare = 16;
inline constexpr unsigned kLittleFactor = 2;

// What a call for a run of pages leaves for longer ones, of the bytes that were clocked and not yet spent on
// calls: the shorter it is, the more.
constexpr std::size_t left_for_longer(std::size_t run_bytes, std::size_t resident_bytes) {
    const std::size_t length = run_bytes / kShortRunBytes;
    return length < 64 ? resident_bytes >> length : 0;
}
constexpr bool is_worth_a_call(std::size_t run_bytes, std::size_t saved_bytes, std::size_t resident_bytes) {
    return saved_bytes >= kBytesPerCall + left_for_longer(run_bytes, resident_bytes);
}

// What is to be gained by giving back: free memory of no more than kSmallGain, or more, or much.
enum class Gain : unsigned char { small, some, large };

class Reclaim {
  public:
    // `bytes` were allocated and freed since the caller's last tick, the last of them freed into that slab,
    // or 0, and others recycled. Any thread; false, with nothing done, while another thread is at it.
    TSLAB_COLD bool tick(std::size_t bytes, SlabNumber freed_into, std::size_t recycled_bytes = 0);
    // The same for a thread that has nowhere to keep what it clocks: the next tick counts what this one
    // can't.
    void tick_or_leave(std::size_t bytes, SlabNumber freed_into) {
        if (!tick(bytes, freed_into)) left_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    }

    // Sweeps completed that left no page for want of calls. Where nothing may be given back, those count too.
    std::uint64_t sweeps() const { return sweeps_.load(std::memory_order_relaxed); }

    // Purges every page that is empty now, or those of one epoch; takes time in proportion to the slabs.
    // Returns the bytes given back.
    TSLAB_COLD std::size_t purge_now();
    TSLAB_COLD std::size_t purge_epoch(std::uint32_t epoch);

    // Whether slots of the class that are free, and have memory, came to more than the budget when it was
    // last added up.
    bool is_over_budget(std::size_t c) const { return (over_budget() >> c & 1) != 0; }
    std::uint32_t over_budget() const { return over_budget_.load(std::memory_order_relaxed); }  // by class

    // As the last pass found it.
    Gain gain() const { return gain_.load(std::memory_order_relaxed); }

    // In a forked child: another thread's walk that was under way when the process was copied is nobody's,
    // and where it stood may have been copied half-written. One's own goes on when the signal handler that
    // forked returns.
    void begin_generation();

  private:
    // What a class was found to have, so far in this pass.
    struct InUse {
        std::size_t resident_bytes;
        std::size_t used_bytes;  // of slots that are live or held
    };

    unsigned look_back(SlabNumber freed_into, bool purges, std::size_t resident);
    void walk(unsigned visits, bool purges, bool may_call, bool at_once);
    unsigned pass_used(unsigned visits, bool sweeps);
    bool gives_back(Run& run);
    bool find_block();
    bool little_is_free(std::size_t resident) const { return free_bytes_ < resident / kLittleShare; }
    bool a_quarter_is_free(std::size_t resident) const { return free_bytes_ > resident / 4; }
    bool much_is_free(std::size_t resident) const {
        return free_bytes_ > kLargeGain && a_quarter_is_free(resident);
    }
    void add_up(const Slab& first, std::size_t resident_bytes);
    void add_used(unsigned unused);
    void end_class();
    void end_pass();
    void end_sweep();
    void look_at_clock();
    std::uint64_t let_time_pay();
    bool owes() const { return balance_bytes_ < 0 && free_bytes_ <= kMostUnused * lately_used_; }
    template <typename Wanted>
    std::size_t purge(Wanted wanted);
    // They pair with each other.
    bool begin_walk();
    void end_walk();

    std::atomic<std::uint64_t> sweeps_{};       // who walks: those completed
    std::atomic<std::uint32_t> over_budget_{};  // who walks: a bit for each class, which refills read
    std::atomic<Gain> gain_{};                  // who walks
    // What every tick reads and writes begins on a line of its own and stands close together: threads tick in
    // turn.
    alignas(kCacheLine) std::atomic<bool> walking_{};  // any; a try-lock: nobody waits for it
    bool left_some_{};  // who walks, as all below: this sweep left pages, not worth a call or refused
    unsigned class_{};  // where the cursor stands
    std::uint32_t index_{};
    unsigned page_{};                        // of the block at index_
    std::atomic<std::size_t> left_bytes_{};  // any: clocked by ticks that found the walk taken
    std::size_t pass_bytes_{};               // clocked since this pass began
    std::int64_t visit_bytes_{};             // that may still be visited; below zero where a tick went beyond
    std::size_t call_bytes_{};               // clocked and not yet spent on system calls
    std::size_t since_call_{};               // clocked since the last of them
    unsigned patience_{1};                   // at most one in so many passes is a sweep, up to kMostPatience
    unsigned passes_to_sweep_{};             // 0: this one is
    InUse in_use_{};                         // of class_
    std::size_t kept_bytes_{};               // free memory of the classes that this pass has seen
    std::size_t free_bytes_{};               // of all, as the last pass found
    unsigned trail_next_{};
    SlabNumber trail_[kTrail]{};       // slabs that were being freed into at the last ticks
    std::uint64_t purged_before_{};    // pages, when the last sweep ended
    std::uint64_t retaken_before_{};   // pages, when the last sweep ended
    std::uint64_t recently_purged_{};  // pages, of older passes less and less
    std::size_t sweep_bytes_{};        // clocked since the last sweep ended
    std::uint64_t seen_ms_{};          // the clock, when time paid last
    std::uint64_t seen_retaken_{};     // pages, then
    unsigned refused_{};               // calls, since the kernel granted one, up to kMostRefused
    std::size_t off_bytes_{};          // to be clocked before anything is given back again
    std::uint64_t young_bytes_{};      // that ticks gave back lately, and that did not come back
    std::int64_t balance_bytes_{};     // what time paid, less what was charged
    std::size_t lately_used_{};        // the most that passes found in use, of older ones less and less
};

TSLAB_INTERNAL extern constinit Reclaim reclaim;

}  // namespace tslab
