// One thread's slabs. The owner takes from them and frees into them without atomic swaps; others free into
// remote_free and queue the slab here.
//
//   a slab is listed  <=>  owned, not current, room >= offer_at(class)
//   a bin's stack     holds only slots whose live bit and free bit are clear
#pragma once

#include "misuse.h"
#include "region.h"

namespace tslab {

inline constexpr unsigned kStackSlots = 27;    // a bin fills 512 bytes
inline constexpr unsigned kBatch = 16;         // slots a refill takes at most
inline constexpr unsigned kCollectSlabs = 16;  // slabs a refill collects at most
inline constexpr unsigned kOpenTries = 2;      // listed slabs a refill tries before it asks the region
inline constexpr unsigned kRelistBlocks = 8;   // blocks a refill in a forked child looks at, at most

// A held slot: its address, and its slab's address with the slot's number in the low six bits.
struct Held {
    std::byte* slot;
    std::uintptr_t tag;

    Slab& slab() const { return *reinterpret_cast<Slab*>(tag & ~std::uintptr_t{kCacheLine - 1}); }
    Word mask() const { return bit(static_cast<unsigned>(tag)); }
    static Held make(std::byte* slot, Slab& slab, unsigned number) {
        return {slot, reinterpret_cast<std::uintptr_t>(&slab) | number};
    }
};

// What a heap keeps for one size class. A zeroed bin is an empty one.
class alignas(kCacheLine) Bin {
  public:
    // A held slot, live from now on; null where the stack is empty.
    TSLAB_HOT void* take() {
        const std::uint64_t word = word_.get();
        const Held held = at(word);
        if (held.slot == nullptr) return nullptr;
        word_.set(word + kOneTaken - sizeof(Held));
        Shared<Word>& live = held.slab().live;
        live.set(live.get() | held.mask());
        return held.slot;
    }

    // False, with nothing done, where the stack is full.
    TSLAB_HOT bool push(Held held) {
        const std::uint64_t word = word_.get();
        if (bytes_in_use(word) == kStackSlots * sizeof(Held)) return false;
        at(word + sizeof(Held)) = held;
        word_.set(word + sizeof(Held));
        return true;
    }
    bool is_full() const { return held() == kStackSlots; }
    Held pop() {
        const std::uint64_t word = word_.get();
        if (at(word).slot != nullptr) word_.set(word - sizeof(Held));
        return at(word);
    }

    // The slots on the stack, the first one in first; i < held().
    Held held_at(unsigned i) const { return stack_[i + 1]; }

    std::uint64_t taken() const { return word_.get() >> 16; }
    unsigned held() const { return bytes_in_use(word_.get()) / unsigned{sizeof(Held)}; }

    Slab* current{};            // owner
    SlabNumber first_listed{};  // owner

  private:
    static constexpr std::uint64_t kOneTaken = 1 << 16;
    static unsigned bytes_in_use(std::uint64_t word) { return static_cast<std::uint16_t>(word); }
    TSLAB_HOT Held& at(std::uint64_t word) {
        return *reinterpret_cast<Held*>(reinterpret_cast<std::byte*>(stack_) + bytes_in_use(word));
    }

    Shared<std::uint64_t> word_;  // owner: slots ever taken, 48 bits; bytes of the stack in use, 16 bits
    alignas(kCacheLine) Held stack_[kStackSlots + 1];  // owner; the first is never filled: the end
};

static_assert(sizeof(Bin) == 512, "a bin is found by a shift");

using HeapNumber = std::uint32_t;  // 1 and up; 0 is none

class alignas(kCacheLine) Heap {
  public:
    TSLAB_HOT Bin& bin(std::size_t c) { return bins_[c]; }
    HeapNumber number() const { return number_; }

    // Owner only, as all without `_remote`. A slot of class c, from a slab: null where none can be had.
    TSLAB_COLD void* take_slow(std::size_t c);
    // A live slot becomes free.
    TSLAB_COLD void free_slow(const Place& place);
    // Leaves the heap as the next owner may have it: no held slots, no current slab.
    TSLAB_COLD void abandon();

    // Any thread: a live slot of a slab that this thread does not own.
    TSLAB_COLD static void free_remote(const Place& place, const void* pointer, Heap* own);

    // Folds what other threads have freed, of this many slabs at most.
    void collect(unsigned most_slabs);

    // The equations above, and those of every slab within reach; takes time in proportion to the slabs.
    bool is_valid();

    Shared<std::uint64_t> forwarded;  // owner: requests the next allocator had, where they are counted

  private:
    friend class Heaps;

    bool take_batch(Bin& bin, std::size_t c);
    bool open_next(Bin& bin, std::size_t c);
    bool open_listed(Bin& bin);
    void open_block(Bin& bin, Slab& first, std::size_t c);
    void close_current(Bin& bin, std::size_t c);
    void relist(std::size_t c);
    void relist_slab(Slab& slab, std::size_t c, Home home);
    void fold(Slab& slab);
    void settle(Bin& bin, Slab& slab, std::size_t c);
    bool release_if_empty(Bin& bin, Slab& slab, std::size_t c);
    void list(Bin& bin, Slab& slab);
    void unlist(Bin& bin, Slab& slab);
    void clock(std::size_t bytes);
    static void settle_in(Slab& slab, Home home);
    static void enqueue_remote(Slab& slab);

    HeapNumber number_{};                // fixed
    Shared<HeapNumber> next_abandoned_;  // whoever abandons it
    SlabNumber collecting_{};            // owner: those taken off it, still to be folded
    std::size_t clock_bytes_{};          // owner: allocated and freed since the last tick
    // any: slabs whose remote_free left zero. On a line of its own: other threads write it while the owner
    // refills.
    alignas(kCacheLine) std::atomic<SlabNumber> pending_{};
    Bin bins_[kClasses];  // owner
};

// All heaps there are. A heap is made once and never unmade; one whose thread ended waits to be adopted.
class Heaps {
  public:
    Heap* acquire();  // null where no more can be made
    void release(Heap& heap);

    // In a forked child: of the heaps there were, only the survivor (null for none) still has a thread.
    void begin_generation(Heap* survivor);

    Heap& at(HeapNumber number) const { return first()[number - 1]; }
    HeapNumber count() const { return count_.load(std::memory_order_acquire); }
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

// What a thread knows of itself.
struct Thread {
    Heap* heap = nullptr;
    Home home = kNowhere;  // a slab of this home is this thread's, and of the open epoch
    bool gone = false;     // its destructors have run: it takes nothing any more
};

TSLAB_INTERNAL extern constinit thread_local Thread this_thread;

}  // namespace tslab
