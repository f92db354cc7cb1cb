// One thread's slabs. The owner takes from them and frees into them without atomic swaps; others free into
// remote_free and queue the slab here.
//
//   a slab is listed  =>  owned, not current, room > 0; in a closed list it is in closed_list(room)
//   a bin's stack     holds only slots whose live flag and free bit are clear
//   an open slab      is one whose home is its bins': young objects share slabs with young ones
//
// What is freed into an open slab is taken again next, wherever it lies. Where many live as long as they
// like, all slabs would so become sparse alike, and none empty: a sparse one of many is retired, and counts
// as a closed one from there on.
//
// Where the next slots come from, in order: the current slab and other open ones, as far as they have memory;
// where closed slabs keep more free memory than the budget, the fullest of them; where those of other classes
// do, free slots of theirs: adjacent smaller ones, joined, or larger ones; free slots without memory; a slab
// that was released, or a new one.
#pragma once

#include "epoch.h"
#include "misuse.h"

namespace tslab {

// How many slots a stack may hold; a refill takes half as many. What is taken from a stack again lies where
// it lies, what comes from a slab is packed; and a held slot keeps its page, and from the clock what is freed
// to it. So a stack is as deep as it can be only where there is little to lose: few heaps were ever made,
// this one has few slabs of the class, and no more than kSmallGain is free. It is shallow while much is.
inline constexpr unsigned kStackSlots = 67;  // a bin fills 18 cache lines
inline constexpr unsigned kUsualStackSlots = 27;
inline constexpr unsigned kLeastStackSlots = 16;
inline constexpr unsigned kFewHeaps = 16;
inline constexpr unsigned kCollectSlabs = 16;    // slabs a refill collects at most, of its class first
inline constexpr unsigned kCollectTurn = 8;      // one refill in so many collects of another class too
inline constexpr unsigned kOpenTries = 2;        // open slabs a refill tries at a time
inline constexpr unsigned kClosedTries = 8;      // closed slabs a refill looks at, at a time
inline constexpr unsigned kBorrowTries = 16;     // closed slabs of other classes a refill looks at, at most
inline constexpr unsigned kBorrowTriesEach = 2;  // and of each of them
inline constexpr unsigned kRelistBlocks = 8;     // blocks a refill in a forked child looks at, at most
inline constexpr unsigned kManySlabs = 16;       // of a class: sparse ones are retired, and no stack is deep

// With how many free slots a slab that gets one more turns, which is when it is listed, retired or released,
// and its heap's stack made more or less deep: at the first, at each kSettledSlots, and where it is sparse or
// empty then. Each kClockedSlots are clocked. Elsewhere only what is free changes.
inline constexpr unsigned kSettledSlots = 8;
inline constexpr unsigned kClockedSlots = 2 * kSettledSlots;
inline constexpr struct TurningPoints {
    Word of[kClasses];
    constexpr TurningPoints() : of{} {
        for (std::size_t c = 0; c < kClasses; c++) {
            for (unsigned room = 0; room < class_slots(c); room++) {
                const bool turns = room == 0 || (room + 1) % kSettledSlots == 0 || room + 1 == sparse_at(c) ||
                                   room + 1 == class_slots(c);
                of[c] |= Word{turns} << room;
            }
        }
    }
} turning_points;

// The lists of a bin: open slabs with room, the last listed first; and closed ones, the fullest in the first
// of their lists. A slab changes from list to list where it turns.
inline constexpr unsigned kLists = 5;
constexpr unsigned closed_list(unsigned room) {
    return 1u + (room >= kSettledSlots) + (room >= 2 * kSettledSlots) + (room >= 4 * kSettledSlots);
}

// A held slot: its address, and that of its live flag, which tells its slab and its number there.
struct Held {
    std::byte* slot;
    LiveSlots::Flag* live;

    Slab& slab() const { return *reinterpret_cast<Slab*>(address() & ~(sizeof(Slab) - 1)); }
    unsigned number() const { return static_cast<unsigned>(address() % sizeof(Slab) - offsetof(Slab, live)); }
    Word mask() const { return bit(number()); }
    bool is_live() const { return slab().is_live(number()); }
    static Held make(std::byte* slot, Slab& slab, unsigned number) { return {slot, &slab.live[number]}; }

  private:
    std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(live); }
};

// A slab's free slots that have memory; and of these those to take first: on pages that hold objects, or else
// any.
Word resident_slots(Slab& slab, std::size_t c);
Word ready_slots(Slab& slab, std::size_t c);

// What a heap keeps for one size class. A zeroed bin is an empty one.
class alignas(kCacheLine) Bin {
  public:
    // A held slot, live from now on; null where the stack is empty or the take is one to be looked at.
    TSLAB_HOT void* take() {
        std::uint64_t word = word_.get();
        const Held held = at(word);
        if (held.slot == nullptr) return nullptr;
        word += kOneTaken - sizeof(Held);
        // An armed bin counts up to kDue: the take after that reaches the sign.
        if (static_cast<std::int64_t>(word) < 0) return nullptr;
        word_.set(word);
        held.live->set(1);
        return held.slot;
    }

    // False, with nothing done, where the stack is full.
    TSLAB_HOT bool push(Held held) {
        const std::uint64_t word = word_.get();
        const unsigned used = bytes_in_use(word);
        if (used >= most_bytes_) return false;
        at(used + sizeof(Held)) = held;
        word_.set(word + sizeof(Held));
        return true;
    }
    bool is_full() const { return bytes_in_use(word_.get()) >= most_bytes_; }
    // It may be full beyond that, until slots are taken or put back.
    void hold_at_most(unsigned slots) { most_bytes_ = static_cast<std::uint16_t>(slots * sizeof(Held)); }
    bool holds_too_many() const { return bytes_in_use(word_.get()) > most_bytes_; }
    // The lowest `count` of a slab's slots are written above the stack, the lowest on top, where they do not
    // count before take_in(count). Returns them.
    Word put_above(std::byte* slots, std::size_t slot_bytes, Slab& slab, Word pick, unsigned count) {
        TSLAB_ASSERT(held() + count <= kStackSlots);
        const Word all = pick;
        Held* const bottom = stack_ + held() + 1;
        for (Held* at = bottom + count; at-- != bottom; pick &= pick - 1)
            *at = Held::make(slots + lowest(pick) * slot_bytes, slab, lowest(pick));
        return all & ~pick;
    }
    void take_in(unsigned count) { word_.set(word_.get() + count * sizeof(Held)); }
    Held pop() {
        const std::uint64_t word = word_.get();
        if (at(word).slot != nullptr) word_.set(word - sizeof(Held));
        return at(word);
    }

    // The slots on the stack, the first one in first; i < held().
    Held held_at(unsigned i) const { return stack_[i + 1]; }

    // Slots taken since the count began. Any thread.
    std::uint64_t taken() const {
        for (;;) {
            // Pairs with arm: who sees that it is due later sees the word without the arming before.
            const std::uint64_t due = due_.get_acquire();
            const std::uint64_t count = word_.get_acquire() >> 16;
            if (count < kArmed || due == 0) return count;
            if (due_.get() == due) return due - (kDue + 1 - count);
        }
    }

    // Lets so many takes succeed; then take() answers null until this is called again.
    void arm(std::uint32_t takes) {
        const std::uint64_t count = taken();
        word_.set(count << 16 | bytes_in_use(word_.get()));
        due_.set_release(count + takes + 1);  // pairs with taken, as the word below
        step(Step::arm_due_set);
        word_.set_release((kDue - takes) << 16 | bytes_in_use(word_.get()));
    }
    bool is_armed() const { return word_.get() >> 16 >= kArmed && due_.get() != 0; }
    bool is_due() const { return word_.get() >> 16 == kDue && due_.get() != 0; }
    // Whether the count is to begin anew, before it fills its bits: without an arm(), takes are refused then.
    bool counted_far() const { return taken() >= kFar; }
    // Returns what it was.
    std::uint64_t count_anew() {
        const std::uint64_t count = taken();
        if (is_armed()) {
            due_.set(due_.get() - count);
        } else {
            word_.set(bytes_in_use(word_.get()));
        }
        return count;
    }

    unsigned held() const { return bytes_in_use(word_.get()) / unsigned{sizeof(Held)}; }

    Slab* current{};             // owner
    SlabNumber first[kLists]{};  // owner: of each list

    // owner: of armed bins, what is waited for, see watch.h
    struct {
        std::uint32_t sample;  // takes until the next that may be sampled
        std::uint32_t timing;  // takes until the next that is followed by a timed call
        std::uint32_t glance;  // takes until the next that looks whether there is anything to publish
        std::uint16_t least;   // the request to be sampled asks for more bytes than this
    } waits{};

  private:
    static constexpr std::uint64_t kOneTaken = 1 << 16;
    static constexpr std::uint64_t kDue = (std::uint64_t{1} << 47) - 1;  // one more, and the word is negative
    static constexpr std::uint64_t kArmed = kDue - UINT32_MAX;  // counts from here on are of armed bins
    static constexpr std::uint64_t kFar = std::uint64_t{1} << 46;
    static unsigned bytes_in_use(std::uint64_t word) { return static_cast<std::uint16_t>(word); }
    TSLAB_HOT Held& at(std::uint64_t word) {
        return *reinterpret_cast<Held*>(reinterpret_cast<std::byte*>(stack_) + bytes_in_use(word));
    }

    std::uint16_t most_bytes_{};  // owner: that the stack may come to, as last asked; 0 at first
    // owner: slots taken, or kDue less what it is armed for, 48 bits; bytes of the stack in use, 16 bits
    Shared<std::uint64_t> word_;
    Shared<std::uint64_t> due_;  // owner: the number of the take to be refused; 0 before the first arm()
    alignas(kCacheLine) Held stack_[kStackSlots + 1]{};  // owner; the first is never filled: the end
};

static_assert(sizeof(Bin) == 18 * kCacheLine,
              "no power of two: first lines of bins fall into many sets of a cache");

// What a heap takes from: its own for the process's epochs, and others for the domains it has.
struct Bins {
    Bin& operator[](std::size_t c) { return of[c]; }

    Shared<Home> home;  // owner: of the slabs opened for it now; 0 while it is not in use
    Bin of[kClasses];
};

using HeapNumber = std::uint32_t;  // 1 and up; 0 is none

class alignas(kCacheLine) Heap {
  public:
    HeapNumber number() const { return number_; }
    Bin& bin(std::size_t c) { return (*in_force_)[c]; }
    Bins& own_bins() { return own_; }

    // Owner only, as all without `_remote`. This thread's from here on, and back to it from a domain's.
    void begin();
    // What this thread takes from, from here on.
    void put_in_force(Bins& bins);
    Bins& in_force() const { return *in_force_; }

    // A slot of class c, from a slab: null where none can be had.
    TSLAB_COLD void* take_slow(std::size_t c);
    // A live slot becomes free.
    [[gnu::noinline]] void free_to_slab(Held held);
    // Leaves slots of the epochs before, and turns to the process's. A refill turns too, and uses up what is
    // held.
    TSLAB_COLD void renew();
    // Puts held slots back and parks what is current, so that nothing is taken from these slabs unless opened
    // again.
    TSLAB_COLD void empty(Bins& bins);
    // The slabs that a domain's bins list become closed slabs of the heap's own. The bins are empty and their
    // home is not the slabs' any more.
    TSLAB_COLD void close_listed(Bins& bins);
    // Leaves the heap as the next owner may have it.
    TSLAB_COLD void abandon();

    // Any thread: a live slot of a slab that this thread does not own.
    [[gnu::noinline]] static void free_remote(Held held, Heap* own);

    // Keeps the bin's count from filling its bits. Who reads the figures in between is off by it, once.
    void keep_count(std::size_t c) {
        if (bin(c).counted_far()) taken_before[c].set(taken_before[c].get() + bin(c).count_anew());
    }

    // Folds what other threads have freed, of this many slabs of the class at most. Returns how many they
    // were.
    unsigned collect(std::size_t c, unsigned most_slabs);

    // The equations above, and those of every slab within reach; takes time in proportion to the slabs.
    bool is_valid();

    // Owner: counted here since they are frequent. Threads without a heap count in `stats`.
    Shared<std::uint64_t> forwarded_below;  // as all three, only where reports are asked for
    Shared<std::uint64_t> forwarded_above;
    Shared<std::uint64_t> forwarded_aligned;
    Shared<std::uint64_t> refills[kClasses];
    Shared<std::uint64_t> taken_before[kClasses];  // slots, when bins' counts began anew
    Shared<std::uint64_t> remote_frees[kClasses];  // of this heap's slots, by other threads, as collected
    Shared<std::uint64_t> slow_locks[kClasses];    // calls of which no more than that is to be said

  private:
    friend class Heaps;

    void follow_epoch();
    void judge_call(std::size_t c);
    void collect_in_turn(unsigned most_slabs);
    bool refill(Bins& bins, std::size_t c);
    bool refill_from_current(Bins& bins, std::size_t c);
    bool refill_from_open(Bins& bins, std::size_t c, bool with_memory);
    bool refill_from_closed(Bins& bins, std::size_t c);
    bool refill_by_borrowing(std::size_t c);
    bool borrow_from(Slab& slab, std::size_t s, std::size_t c);
    Slab* next_to_lend(std::size_t s);
    bool refill_from_new(Bins& bins, std::size_t c);
    void take_batch(Bin& bin, std::size_t c, Word pick);
    unsigned stack_slots(std::size_t c) const;
    [[gnu::noinline]] void free_turning(Held held);
    std::size_t put_back(Held held);
    bool make_current(Bin& bin, Slab& slab, std::size_t c);
    void bring_in(Bins& bins, Slab& slab, std::size_t c);
    void open_block(Bins& bins, Slab& first, std::size_t c);
    void close_current(Bin& bin, std::size_t c);
    bool relist(std::size_t c);
    void relist_slab(Slab& slab, std::size_t c, Home home);
    void fold(Slab& slab);
    void settle(Slab& slab, std::size_t c);
    bool is_to_retire(Slab& slab, std::size_t c) const;
    bool release_if_empty(Bin& bin, Slab& slab, std::size_t c);
    void add_slabs(std::size_t c, unsigned count) { slabs_[c].set(slabs_[c].get() + count); }
    std::uint64_t slabs() const;
    Bins& bins_of(Home home);
    static unsigned list_for(const Bins& bins, const Slab& slab);
    void list(Bin& bin, Slab& slab, unsigned which);
    void unlist(Bin& bin, Slab& slab);
    bool list_is_valid(const Bin& bin, unsigned which, std::size_t c) const;
    void note_recycled(std::size_t c, unsigned refilled);
    void clock(std::size_t bytes, SlabNumber freed_into);
    static void settle_in(Slab& slab, Home home);
    static void enqueue_remote(Slab& slab);

    HeapNumber number_{};                    // fixed
    Shared<HeapNumber> next_abandoned_;      // whoever abandons it
    Bins* in_force_{};                       // owner: what it takes from now, its own or a domain's
    unsigned frees_elsewhere_{};             // owner: by this thread, of other heaps' slots
    unsigned refills_to_turn_{};             // owner: as collect_in_turn counts them
    unsigned turn_{};                        // owner: the class whose turn it is
    std::size_t clock_bytes_{};              // owner: allocated and freed since the last tick
    std::size_t recycled_bytes_{};           // owner: the same of what no slab knew of
    Shared<std::uint32_t> slabs_[kClasses];  // owner: how many it has
    std::uint64_t brought_[kClasses]{};      // owner: slots taken when its stack is empty, were none recycled
    SlabNumber lending_[kClasses]{};         // owner: of the closed ones, the next to be looked at for others
    SlabNumber collecting_[kClasses]{};      // owner: those taken off pending_, still to be folded
    // any: slabs whose remote_free left zero. By class, so that those which are not asked for now gather more
    // frees before they are folded; and on lines of their own, which other threads write while the owner
    // refills.
    alignas(kCacheLine) std::atomic<SlabNumber> pending_[kClasses]{};
    Bins own_;  // owner
};

// The bins of a domain by its number, 1 and up: memory that is zero until it is first used.
inline Bins& domain_bins(std::uint32_t domain) {
    return reinterpret_cast<Bins*>(region.domain_memory())[domain - 1];
}

// All heaps there are. A heap is made once and never unmade; one whose thread ended waits to be adopted: the
// last abandoned first, but of two that follow each other the one with more slabs. What comes free in a heap
// that nobody adopts is not taken again, so it had better be little.
class Heaps {
  public:
    Heap* acquire();  // null where no more can be made
    void release(Heap& heap);

    // In a forked child: of the heaps there were, only the survivor (null for none) still has a thread.
    void begin_generation(Heap* survivor);

    Heap& at(HeapNumber number) const { return first()[number - 1]; }
    HeapNumber count() const { return count_.load(std::memory_order_acquire); }  // pairs with acquire
    // Whether the heap belonged to a thread that this process does not have.
    bool is_void(HeapNumber number) const { return number <= void_up_to_ && number != survivor_; }

  private:
    Heap* first() const { return reinterpret_cast<Heap*>(region.heap_memory()); }

    std::atomic<HeapNumber> count_{};
    NumberStack abandoned_;
    HeapNumber void_up_to_{};  // fixed until the next fork
    HeapNumber survivor_{};    // fixed until the next fork
};

TSLAB_INTERNAL extern constinit Heaps heaps;

// Called when a heap has ticked, by its owner, in the middle of a call of the program; null for nobody. May
// not allocate.
TSLAB_INTERNAL extern constinit std::atomic<void (*)()> after_tick;

// What a thread without a heap takes from, and what is said of a size in units of 16 bytes, rounded up. They
// stand together so that the fast path needs one address for both.
struct Sizes {
    Bin no_bins[kClasses]{};                          // empty, and never written
    std::uint16_t bin_offset[kMaxServed / 16 + 1]{};  // in an array of bins
    std::uint16_t slot_bytes[kMaxServed / 16 + 1]{};

    constexpr Sizes() {
        for (unsigned i = 0; i <= kMaxServed / 16; i++) {
            const unsigned c = class_of(std::size_t{16} * i);
            bin_offset[i] = static_cast<std::uint16_t>(c * sizeof(Bin));
            slot_bytes[i] = static_cast<std::uint16_t>(class_size(c));
        }
    }
};
TSLAB_INTERNAL extern constinit const Sizes sizes;

// What a thread knows of itself. The heap's aside, that is all that the fast path asks; where the next call
// of a thread is to leave it, its bins are hidden although there is a heap.
struct Thread {
    Bin* bins = nullptr;   // of the heap's bins in force
    Home home = kNowhere;  // theirs: a slab of this home is this thread's, and of the open epoch
    Heap* heap = nullptr;
    bool gone = false;           // its destructors have run: it takes nothing any more
    std::uintptr_t to_bins = 0;  // from sizes.no_bins, so that memory which is zero names those

    void show(Bin* from, Home theirs) {
        bins = from;
        home = theirs;
        to_bins = reinterpret_cast<std::uintptr_t>(from) - reinterpret_cast<std::uintptr_t>(sizes.no_bins);
    }
    void hide() {
        bins = nullptr;
        home = kNowhere;
        to_bins = 0;
    }
    bool is_hidden() const { return heap != nullptr && bins == nullptr; }
};

TSLAB_INTERNAL extern constinit thread_local Thread this_thread;

}  // namespace tslab
