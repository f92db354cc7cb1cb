// The reserved address range: one equal power-of-two part per size class, cut into slabs, and beside it the
// slabs' descriptors and the heaps. Who owns a pointer is a subtraction and a compare; its class a shift; its
// slab a shift; its slot a multiplication.
//
//   slot address == base + (c << class_shift) + skew(c) + index * class_span(c) + slot * class_size(c)
//   block        == the slabs that share a page, or one slab where a slab is at least a page
//   descriptor   == where the part's would begin + index within the part, skew included: what the skew leaves
//                   out has descriptors too, zero and never written, which name no live slot
//   opened(c) <= the committed prefix of c, for slots and for descriptors alike
#pragma once

#include "slab.h"
#include "stats.h"

namespace tslab {

// Released blocks that acquire() tries, at most: more than one purger holds at once, so that while there is
// one of them no new block is opened.
inline constexpr unsigned kAcquireTries = 17;

// A stack of numbers that any thread may push to and pop from. Each swap changes the tag, so a number that
// was popped and pushed in between is noticed. Links are kept by the caller and may be read when stale.
class NumberStack {
  public:
    // Not where `wanted` says no, which is asked again for each try: a signal handler may have forked in
    // between, and forget() makes a try fail that began before it.
    template <typename Link, typename Wanted>  // Link(number) -> Shared<uint32_t>&
    void push(std::uint32_t number, Link link, Wanted wanted) {
        std::uint64_t seen = head_.load(std::memory_order_relaxed);
        do {
            if (!wanted()) return;
            link(number).set(static_cast<std::uint32_t>(seen));
        } while (!head_.compare_exchange_weak(seen, after(seen, number), std::memory_order_release,
                                              std::memory_order_relaxed));  // pairs with pop
    }

    template <typename Link>
    void push(std::uint32_t number, Link link) {
        push(number, link, [] { return true; });
    }

    template <typename Link>
    std::uint32_t pop(Link link) {
        std::uint64_t seen = head_.load(std::memory_order_acquire);  // pairs with push, as below
        while (static_cast<std::uint32_t>(seen) != 0) {
            const std::uint32_t below = link(static_cast<std::uint32_t>(seen)).get();
            if (head_.compare_exchange_weak(seen, after(seen, below), std::memory_order_acquire,
                                            std::memory_order_acquire)) {
                return static_cast<std::uint32_t>(seen);
            }
        }
        return 0;
    }

    // What pop() would give now.
    std::uint32_t top() const { return static_cast<std::uint32_t>(head_.load(std::memory_order_relaxed)); }

    void forget() { head_.store(after(head_.load(std::memory_order_relaxed), 0), std::memory_order_relaxed); }

  private:
    static std::uint64_t after(std::uint64_t seen, std::uint32_t number) {
        return ((seen >> 32) + 1) << 32 | number;
    }

    std::atomic<std::uint64_t> head_{};  // any: tag, number
};

// The usable front of a reservation. It only grows, by a quarter at a time, so the mappings stay constant in
// number, and little is usable that is not used: it counts under a limit on data, and is memory where a
// program locks all it has.
class Prefix {
  public:
    void start(std::byte* at, std::size_t limit_bytes, std::size_t least_step_bytes) {
        start_ = at;
        limit_ = limit_bytes;
        least_step_ = least_step_bytes;
    }

    bool covers(std::size_t bytes) const {
        return bytes <= committed_.load(std::memory_order_acquire);  // pairs with grow
    }
    // Makes it cover `bytes`, or answers false. Threads that grow it at once do the same work twice,
    // harmlessly.
    bool grow(std::size_t bytes);
    // Ends the reservation where the usable part ends. Nobody grows it any more.
    void cut();

    std::byte* at() const { return start_; }
    std::size_t committed() const { return committed_.load(std::memory_order_relaxed); }

  private:
    bool commit(std::size_t from, std::size_t to);

    std::byte* start_ = nullptr;            // fixed
    std::size_t limit_ = 0;                 // fixed
    std::size_t least_step_ = 0;            // fixed
    std::atomic<std::size_t> committed_{};  // any
};

// A pointer of ours taken apart. Only where it is exact is there a slab to look at.
struct Place {
    Slab* slab;
    std::size_t size_class;
    unsigned slot;
    bool exact;  // the pointer is where a slot of an opened slab starts, or of one that the skew left out

    Word mask() const { return bit(slot); }
    bool is_live() const { return exact && slab->is_live(slot); }
};

class Region {
  public:
    // Reserves `bytes` (a power of two) and what goes with them; false, with nothing reserved, where the
    // kernel refuses. `limit` bounds everything reserved together. Called once, before any other thread knows
    // the region.
    bool start(std::size_t bytes, std::size_t limit, std::size_t page_bytes);

    // Whether the pointer lies in the range, and so belongs to a slot or to nothing, unless gave_up(pointer).
    TSLAB_HOT bool owns(const void* pointer) const { return offset_of(pointer) < size_; }

    // The same, in fewer steps for what lies below the range, as the memory of most next allocators does.
    TSLAB_HOT bool owns_high(const void* pointer) const {
        const auto address = reinterpret_cast<std::uintptr_t>(pointer);
        return address >= base_ && address < end_;
    }

    // Address space that nobody uses is given up for good where `limit` on all of it is below what is
    // reserved, since the kernel then refuses the process any more, and a fork. Its addresses may become
    // another's.
    TSLAB_COLD void fit_into(std::size_t limit);
    // owns(pointer)
    bool gave_up(const void* pointer) const;

    // owns(pointer)
    TSLAB_HOT Place locate(const void* pointer) const {
        const std::size_t offset = offset_of(pointer);
        const std::size_t c = offset >> class_shift_;
        const Cuts* at = &cuts_;
        asm("" : "+r"(at));  // or its address is taken before it is known that the pointer is ours
        const Cuts& cuts = *at;
        const std::uintptr_t slab = cuts.origin[c] + (offset >> cuts.span_shift[c]) * sizeof(Slab);
        if (slab >= cuts.end[c].load(std::memory_order_relaxed)) return {nullptr, c, 0, false};
        const Word t = (offset & cuts.offset_mask[c]) * cuts.inverse[c];
        if (static_cast<std::uint32_t>(t) >= cuts.low_inverse[c]) return {nullptr, c, 0, false};
        return {reinterpret_cast<Slab*>(slab), c, static_cast<unsigned>(t >> 32), true};
    }

    // Whether there is such a slot, live or not, that is not part of another.
    bool has_slot(const Place& place) const {
        return place.exact && place.slot < class_slots(place.size_class) &&
               place.slab >= ranges_[place.size_class].first && !place.slab->live.has_tail(place.slot);
    }

    std::byte* slots_of(const Slab& slab) const;  // the address of its first slot

    Slab& slab(SlabNumber number) const { return slabs_[number]; }
    SlabNumber number(const Slab& slab) const { return static_cast<SlabNumber>(&slab - slabs_); }

    // Blocks. A block's state, home and resident pages stand in its first slab.
    unsigned slabs_per_block(std::size_t c) const { return 1u << block_shift(c); }
    unsigned pages_per_block(std::size_t c) const {
        return span_shift(c) > page_shift_ ? 1u << (span_shift(c) - page_shift_) : 1;
    }
    std::size_t block_bytes(std::size_t c) const { return class_span(c) << block_shift(c); }
    Slab& first_of_block(Slab& slab) const {
        return slabs_per_block(slab.size_class.get()) == 1 ? slab : first_of_larger_block(slab);
    }
    // The block behind it, null where none was opened.
    Slab* next_block(Slab& first) const;
    std::size_t page_bytes() const { return std::size_t{1} << page_shift_; }

    // The slots of a slab of class c that lie on any of the block's pages in `pages`, and the other way
    // round.
    Word slots_on(std::size_t c, unsigned pages) const;
    unsigned pages_under(std::size_t c, Word slots) const;
    // Whether so many slots may be all that lie on a page.
    bool may_fill_page(std::size_t c, unsigned slots) const { return slots >= fewest_on_page_[c]; }

    // Of a block's pages with memory, those without a live or held slot. May miss some that come free now.
    unsigned empty_pages(const Slab& first) const;

    // The first slab of a block that nobody owns, its state current: one that was released, or a fresh one.
    // Null where there is neither. The caller becomes its owner.
    Slab* acquire(std::size_t c);
    // The first slab of a block whose slabs are all empty, queued nowhere, of this generation and without an
    // owner.
    void release(Slab& first);

    std::uint32_t opened(std::size_t c) const {
        return ranges_[c].opened.load(std::memory_order_acquire);  // pairs with open_fresh
    }
    Slab& slab_at(std::size_t c, std::uint32_t index) const { return *(ranges_[c].first + index); }

    // Forks. In a child the pools are forgotten, and every block that was neither owned by the thread that
    // forked nor listed since is named once by next_unlisted(), to one caller.
    std::uint32_t generation() const { return generation_.load(std::memory_order_relaxed); }
    void begin_generation();
    Slab* next_unlisted(std::size_t c);

    // Whether the first `bytes` of the memory for heaps can be used; where they are.
    bool reach_heaps(std::size_t bytes) { return reach(heaps_, bytes); }
    std::byte* heap_memory() const { return heaps_.at(); }
    // The same for what domains take from.
    bool reach_domains(std::size_t bytes) { return reach(domains_, bytes); }
    std::byte* domain_memory() const { return domains_.at(); }
    std::byte* base() const { return reinterpret_cast<std::byte*>(base_); }
    std::size_t size() const { return size_; }
    std::size_t metadata_bytes() const;

  private:
    // What locate() needs of the classes: an array for each fact, so that one register finds them all. Spans
    // are counted from the region's start.
    struct Cuts {
        std::atomic<std::uintptr_t> end[kClasses];  // any: behind the last opened slab's descriptor, or older
        std::uintptr_t origin[kClasses];            // where span 0 would have its descriptor
        std::uint64_t inverse[kClasses];
        std::uint32_t low_inverse[kClasses];  // the same, so that neither needs a register
        std::uint32_t offset_mask[kClasses];
        std::uint8_t span_shift[kClasses];
    };

    struct alignas(kCacheLine) Range {
        std::byte* left_out{};                // fixed: descriptors of what the skew leaves out, zeros to read
        std::size_t left_out_bytes{};         // fixed: of whole pages; the rest stands before the first one
        Slab* first{};                        // fixed: the first that may be opened
        Prefix slots;                         // any
        Prefix slabs;                         // any
        std::atomic<std::uint32_t> opened{};  // any: slabs handed out at least once, whole blocks
        NumberStack pool;                     // any: first slabs of released blocks
        std::atomic<std::uint32_t> relisted{};  // any: slabs named by next_unlisted since the fork
        std::uint32_t unlisted_end{};           // fixed until the next fork
    };

    TSLAB_HOT std::size_t offset_of(const void* pointer) const {
        return reinterpret_cast<std::uintptr_t>(pointer) - base_;
    }
    unsigned block_shift(std::size_t c) const {
        return span_shift(c) < page_shift_ ? page_shift_ - span_shift(c) : 0;
    }
    Shared<SlabNumber>& link(SlabNumber number) const { return slabs_[number].next; }
    bool reach(Prefix& prefix, std::size_t bytes) {
        return prefix.covers(bytes) || reach_slow(prefix, bytes);
    }
    TSLAB_COLD bool reach_slow(Prefix& prefix, std::size_t bytes);
    Slab& first_of_larger_block(const Slab& slab) const;
    Slab* open_fresh(std::size_t c);
    void extend(std::size_t c, std::uint32_t opened);

    Cuts cuts_{};  // fixed, as all below up to ranges_
    std::uintptr_t base_ = 0;
    std::size_t size_ = 0;
    std::uintptr_t end_ = 0;
    unsigned class_shift_ = 0;
    unsigned page_shift_ = 12;
    Slab* slabs_ = nullptr;
    Word page_slots_[kClasses][8]{};
    std::uint8_t fewest_on_page_[kClasses]{};
    Prefix heaps_;
    Prefix domains_;
    std::size_t reserved_bytes_ = 0;
    std::atomic<std::uint32_t> generation_{1};  // any
    std::atomic<std::uint32_t> growing_{};      // any: threads that are growing a prefix
    std::atomic<bool> cut_{};                   // who cuts: no prefix grows any more
    std::atomic<bool> given_up_{};              // who cuts: what is behind the prefixes is not ours any more
    Range ranges_[kClasses]{};
};

TSLAB_INTERNAL extern constinit Region region;

}  // namespace tslab
