// One slab's state, away from its slots: who may hand out what, and which pages hold something.
#pragma once

#include "base.h"
#include "size_class.h"

namespace tslab {

// Where a slab belongs: the epoch it was opened or last refilled in, the domain it was opened for (0: none)
// and the heap that owns it (0: nobody). No slab is ever at kNowhere, where threads without a heap are. Of an
// epoch's number the low 32 bits are kept: two that agree in them are so far apart that a slab of one counted
// to the other does no more than share it.
//
// Beside it stands what makes a slab no thread's home, so that every free into it leaves the fast path, which
// need not know why: kMarked, that it has objects whose frees are to be noticed; kRetired, that it was left
// before its epoch closed, having become sparse, or that slots of it serve other classes. What is freed into
// a retired slab does not go to the stack, to be taken again at once, and so the slab empties.
using Home = std::uint64_t;
inline constexpr Home kNowhere = ~Home{0};
inline constexpr unsigned kHeapBits = 18;
inline constexpr unsigned kNoteBits = 2;
inline constexpr unsigned kDomainBits = 12;
inline constexpr Home kMarked = Home{1} << kHeapBits;
inline constexpr Home kRetired = kMarked << 1;
constexpr Home home_of(std::uint64_t epoch, std::uint32_t domain, std::uint32_t heap) {
    return (epoch << kDomainBits | domain) << (kHeapBits + kNoteBits) | heap;
}
constexpr std::uint32_t heap_of(Home home) { return home & ((1u << kHeapBits) - 1); }
constexpr std::uint32_t domain_of(Home home) {
    return home >> (kHeapBits + kNoteBits) & ((1u << kDomainBits) - 1);
}
constexpr std::uint32_t epoch_of(Home home) {
    return static_cast<std::uint32_t>(home >> (kHeapBits + kNoteBits + kDomainBits));
}

// Who may take slots from a block and who may purge its pages, stamped with the fork generation it was said
// in: a forked child has none of the threads that hold something under an earlier one.
//
//   parked  -> current   by the owner (swap, acquire): takes slots, notes pages as resident
//   parked  -> claimed   by any purger (swap, acquire): gives pages back, notes them as not resident
//   current -> parked, claimed -> parked   by whoever holds it (release store)
//
// Nobody waits: who loses a swap turns to another block. While parked, slots only become free.
enum class Hold : std::uint32_t { parked, current, claimed };
using State = std::uint32_t;
constexpr State state_of(Hold hold, std::uint32_t generation) {
    return generation << 2 | static_cast<State>(hold);
}
constexpr Hold hold_of(State state) { return static_cast<Hold>(state & 3); }
constexpr std::uint32_t generation_of(State state) { return state >> 2; }

// The slots of a slab that the program has: a byte each, of 0 or 1. A malloc sets one with one instruction
// and a free tests and clears one with two, where a bit of a word would have to be read, changed and written.
//
// Adjacent slots can be joined to one of a larger class: all but the first are tails then, which have 2 and
// the class. A tail belongs to the slot before it and is live, held or, no tail any more, free with that.
class LiveSlots {
  public:
    using Flag = Shared<std::uint8_t>;
    static constexpr std::uint8_t kLive = 1;
    static constexpr unsigned kTail = 2;
    static constexpr unsigned kClassShift = 2;

    Flag& operator[](unsigned slot) { return flags_[slot]; }
    bool has(unsigned slot) const { return flags_[slot].get() == kLive; }
    bool has_tail(unsigned slot) const { return (flags_[slot].get() & kTail) != 0; }
    // Of a slab of class c: the slot's, or the one that it was joined for.
    std::size_t class_at(unsigned slot, std::size_t c) const {
        return slot < 63 && has_tail(slot + 1) ? std::size_t{flags_[slot + 1].get()} >> kClassShift : c;
    }

    // All of them, a bit for each.
    Word get() const { return gather(0); }
    Word tails() const { return gather(1); }
    // Owner, as all below.
    void make_tails(Word slots, std::size_t c) {
        const auto tail = static_cast<std::uint8_t>(c << kClassShift | kTail);
        for (; slots != 0; slots &= slots - 1) flags_[lowest(slots)].set(tail);
    }
    void clear(Word slots) {
        for (unsigned i = 0; slots != 0; i += 8, slots >>= 8) {
            const Word bits = ((slots & 0xff) * kEachByte) & 0x8040201008040201;
            const Word cleared = (bits + 0x7f * kEachByte) >> 7 & kEachByte;
            if (cleared != 0) set_eight_from(i, eight_from(i) & ~(0xff * cleared));
        }
    }

  private:
    // That bit of each flag, read eight at a time.
    Word gather(unsigned bit) const {
        Word slots = 0;
        for (unsigned i = 0; i < 64; i += 8)
            slots |= (((eight_from(i) >> bit & kEachByte) * 0x0102040810204080) >> 56) << i;
        return slots;
    }
    static constexpr Word kEachByte = 0x0101010101010101;
    using EightFlags [[gnu::may_alias]] = Word;
    Word eight_from(unsigned slot) const {
        return __atomic_load_n(reinterpret_cast<const EightFlags*>(flags_ + slot), __ATOMIC_RELAXED);
    }
    void set_eight_from(unsigned slot, Word flags) {
        __atomic_store_n(reinterpret_cast<EightFlags*>(flags_ + slot), flags, __ATOMIC_RELAXED);
    }

    Flag flags_[64];
};

// Slabs are known by number; 0 is none, so that zeroed memory is an empty list.
using SlabNumber = std::uint32_t;

// A slab on a pending stack names the next one, or this where it is the last; 0 means it is on none.
inline constexpr SlabNumber kLastPending = ~SlabNumber{0};

//   free & live == 0        remote_free ⊆ live        held and their tails == ~(free | joined(live))
//   room == popcount(free)  free & tails == 0         quiet ⊆ resident
//   a slab with tails is retired
//
// Each slot is free, held (on its heap's stack), live, or a tail of one of these two. The equations hold
// between a heap's operations; while one is under way `free` may lack slots, never have too many.
struct alignas(2 * kCacheLine) Slab {
    // What a free asks for, on one cache line but for the last of many slots.
    std::atomic<Home> home{};         // owner; the heap of a live slot changes only in a forked child
    std::atomic<Word> remote_free{};  // any: live slots that other threads have freed
    alignas(Word) LiveSlots live;     // owner

    Shared<Word> free;                       // owner: slots ready to be taken
    std::atomic<State> state{};              // any; of the whole block, in its first slab
    std::atomic<SlabNumber> pending_next{};  // whoever put the slab on the pending stack, then its owner
    Shared<SlabNumber> next;                 // owner: in a bin's list; in a pool, whoever pushed it
    SlabNumber previous{};                   // owner: in a bin's list
    Shared<std::uint32_t> generation;   // owner or whoever releases: the fork generation it was listed in
    Shared<std::uint8_t> size_class;    // fixed once opened
    std::atomic<std::uint8_t> marks{};  // any: marks that its live slots have, two each at most
    Shared<std::uint8_t> tails;         // owner: how many there are
    Shared<std::uint8_t> room;          // owner
    std::uint8_t listed{};              // owner: 1 + which of its bin's lists it is in; 0 for none
    Shared<std::uint8_t> resident;      // holder of the state: the block's pages that may have memory
    Shared<bool> purged;                // holder of the state: pages of the block went back before
    Shared<std::uint8_t> quiet;         // holder of the state: those without an object at the last visit

    bool is_valid() const;
    // The owner's part of it, which holds whenever the owner has done with the slab's words.
    bool owner_words_agree() const {
        return (free.get() & live.get()) == 0 && room.get() == popcount(free.get());
    }

    // Owner. `count` is how many they are, which whoever changes them knows.
    void set_free(Word slots, unsigned count) {
        free.set(slots);
        room.set(static_cast<std::uint8_t>(count));
    }

    // The slots and their tails, which are the bits that a carry from the slot runs through.
    Word joined(Word slots) const {
        if (tails.get() == 0) return slots;
        const Word all = live.tails();
        return slots | (all & ~(all + (slots << 1 & all)));
    }
    // Owner. Free slots become held ones of class c: the heads, each with the tails that follow it.
    void join(Word heads, Word all, std::size_t c) {
        live.make_tails(all & ~heads, c);
        tails.set(static_cast<std::uint8_t>(tails.get() + popcount(all & ~heads)));
        retire();
        set_free(free.get() & ~all, room.get() - popcount(all));
    }
    // Owner. Slots that were live or held become free, with their tails. Returns how many those are.
    unsigned take_back(Word slots) {
        const Word all = joined(slots);
        const unsigned count = popcount(all);
        live.clear(all);
        tails.set(static_cast<std::uint8_t>(tails.get() - popcount(all & ~slots)));
        set_free(free.get() | all, room.get() + count);
        return count;
    }

    bool become_current(std::uint32_t now) { return swap_parked(Hold::current, now); }
    bool become_claimed(std::uint32_t now) { return swap_parked(Hold::claimed, now); }

    // Pairs with the acquire of the next swap: whoever holds the block next sees the words as they are here.
    void park(std::uint32_t now) { state.store(state_of(Hold::parked, now), std::memory_order_release); }

    // Owner.
    void retire() { home.store(home.load(std::memory_order_relaxed) | kRetired, std::memory_order_relaxed); }
    // Owner. Keeps the mark, if there is one; and with tails it stays retired.
    void move_to(Home to, std::memory_order order) {
        const Home marked = marks.load(std::memory_order_relaxed) != 0 ? kMarked : 0;
        home.store(to | marked | (tails.get() != 0 ? kRetired : 0), order);
    }
    // Other threads take marks away, but only the owner changes the home, when it comes by.
    bool is_marked() const { return (home.load(std::memory_order_relaxed) & kMarked) != 0; }
    Home unmarked_home() const { return home.load(std::memory_order_relaxed) & ~kMarked; }

    // Slots the program has, less those that other threads have freed.
    Word live_slots() const { return live.get() & ~remote_free.load(std::memory_order_relaxed); }
    bool is_live(unsigned slot) const {
        return live.has(slot) && (remote_free.load(std::memory_order_relaxed) >> slot & 1) == 0;
    }

    // The slots whose memory nobody needs. May miss some that other threads are freeing now.
    // Acquire, here and below: what is not handed over any more is free by then. And it pairs with
    // free_remote: what another thread wrote into its object comes before a purge.
    Word unused() const {
        const Word handed = handed_over(remote_free.load(std::memory_order_acquire));
        step(Step::unused_asked);
        return handed | free.get();
    }
    // How many those are, in few steps: exact while nobody frees or takes, and more where the owner has just
    // collected some.
    unsigned unused_count() const {
        const Word handed = remote_free.load(std::memory_order_acquire);
        return room.get() + (handed == 0 ? 0 : popcount(handed_over(handed)));
    }

  private:
    // What other threads have freed, with its tails. One that was freed twice at once may be a tail by now.
    Word handed_over(Word freed) const { return tails.get() == 0 ? freed : joined(freed & live.get()); }
    bool swap_parked(Hold hold, std::uint32_t now) {
        State seen = state.load(std::memory_order_relaxed);
        const bool void_claim = hold_of(seen) == Hold::claimed && generation_of(seen) != now;
        if (hold_of(seen) != Hold::parked && !void_claim) return false;
        return state.compare_exchange_strong(seen, state_of(hold, now), std::memory_order_acquire,
                                             std::memory_order_relaxed);  // pairs with park
    }
};

static_assert(sizeof(Slab) == 2 * kCacheLine, "two slabs of different owners never share a cache line");

inline bool Slab::is_valid() const {
    const Word all = class_mask(size_class.get());
    const Word tail = live.tails();
    const bool joins_agree = tails.get() == popcount(tail) && (free.get() & tail) == 0 &&
                             (tail == 0 || (home.load(std::memory_order_relaxed) & kRetired) != 0);
    return owner_words_agree() && joins_agree &&
           (remote_free.load(std::memory_order_relaxed) & ~live.get()) == 0 &&
           ((free.get() | live.get()) & ~all) == 0 && (quiet.get() & ~resident.get()) == 0;
}

}  // namespace tslab
