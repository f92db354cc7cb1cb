#include "region.h"

#include "os.h"

namespace tslab {

constinit Region region;

namespace {

constexpr std::size_t kLeastRange = std::size_t{64} << 10;  // whole slabs, whole pages of any kernel
constexpr std::size_t kSlotStep = std::size_t{1} << 20;
constexpr std::size_t kSlabStep = std::size_t{128} << 10;
constexpr std::size_t kLargestStep = std::size_t{32} << 20;
constexpr std::size_t kMostDomainBytes = std::size_t{256} << 20;
constexpr std::size_t kAlignment = kLeastRange;
constexpr std::size_t kLeastSkewedRange = std::size_t{64} << 20;
constexpr std::size_t kLeastTableSkewedRange = std::size_t{4} << 30;

// The parts of the classes are a large power of two apart. Would each begin to be used at its start, their
// first slabs, their descriptors and the page-table entries of both would compete for the same few sets of
// every cache. What a skew leaves out costs address space for its descriptors: of the larger step, which
// spreads the tables of page tables, a few are enough. Descriptors begin in the first half of a page of 4
// KiB, since what is before them in it is memory for nothing.
constexpr std::size_t slot_skew_bytes(std::size_t c, std::size_t range) {
    const std::size_t tables = range >= kLeastTableSkewedRange ? std::size_t{16} << 20 : 0;
    return range >= kLeastSkewedRange ? c % 4 * tables + c * 9 * 4096 : 0;
}
constexpr std::size_t slab_skew_bytes(std::size_t c) { return c * 4096 + c % 16 * sizeof(Slab); }

// What the slots' skew leaves out has descriptors like the rest, as many whole pages as they take.
constexpr std::size_t left_out_bytes(std::size_t c, std::size_t slot_skew) {
    return slab_skew_bytes(c) + round_up((slot_skew >> span_shift(c)) * sizeof(Slab), 4096);
}

constexpr std::size_t descriptor_bytes(std::size_t c, std::size_t range) {
    return round_up(left_out_bytes(c, range) + 4096, kAlignment);
}

// Slab 0 is none: the array begins one page before the first class's.
constexpr std::size_t all_descriptor_bytes(std::size_t range) {
    std::size_t total = kAlignment;
    for (unsigned c = 0; c < kClasses; c++) total += descriptor_bytes(c, range);
    return total;
}

// A signal handler that forks leaves the child in the middle of what its thread was doing.
constinit thread_local bool grows_here = false;

std::byte* aligned(void* pointer) {
    return reinterpret_cast<std::byte*>(round_up(reinterpret_cast<std::uintptr_t>(pointer), kAlignment));
}

}  // namespace

bool Prefix::commit(std::size_t from, std::size_t to) {
    if (os::commit(start_ + from, to - from) != 0) return false;
    os::include_in_dump(start_ + from, to - from);
    return true;
}

bool Prefix::grow(std::size_t bytes) {
    if (bytes > limit_) return false;
    std::size_t seen = committed_.load(std::memory_order_acquire);  // as in covers
    if (bytes <= seen) return true;
    std::size_t step = seen / 4 < least_step_ ? least_step_ : seen / 4;
    if (step > kLargestStep) step = kLargestStep;
    std::size_t wanted = round_up(bytes > seen + step ? bytes : seen + step, kAlignment);
    if (wanted > limit_) wanted = limit_;
    // Near a limit on memory less might still be had; but what we make usable the next allocator can never
    // have again.
    if (!commit(seen, wanted)) return false;
    while (seen < wanted && !committed_.compare_exchange_weak(seen, wanted, std::memory_order_release,
                                                              std::memory_order_relaxed)) {
    }
    return true;
}

void Prefix::cut() {
    const std::size_t kept = committed();
    if (kept < limit_) os::unreserve(start_ + kept, limit_ - kept);
    limit_ = kept;
}

bool Region::reach_slow(Prefix& prefix, std::size_t bytes) {
    grows_here = true;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // Sequentially consistent, as in fit_into: either this thread sees the cut or the cutter sees this
    // thread.
    growing_.fetch_add(1, std::memory_order_seq_cst);
    slow_causes |= kCalledSystem;
    const bool reached = !cut_.load(std::memory_order_seq_cst) && prefix.grow(bytes);
    growing_.fetch_sub(1, std::memory_order_release);  // pairs with fit_into
    grows_here = false;
    if (!reached) stats.add(Figure::commit_failures);
    return reached;
}

void Region::fit_into(std::size_t limit) {
    if (reserved_bytes_ <= limit || cut_.exchange(true, std::memory_order_seq_cst)) return;
    // As in reach_slow.
    if (growing_.load(std::memory_order_seq_cst) != 0) return cut_.store(false, std::memory_order_relaxed);
    given_up_.store(
        true, std::memory_order_release);  // pairs with gave_up: before anybody else can have an address
    std::byte* part = base();
    for (Range& range : ranges_) {
        os::unreserve(part, static_cast<std::size_t>(range.slots.at() - part));  // what the skew left out
        range.slots.cut();
        range.slabs.cut();
        if (range.slabs.committed() == 0) os::unreserve(range.left_out, range.left_out_bytes);
        part += std::size_t{1} << class_shift_;
    }
    heaps_.cut();
    domains_.cut();
}

bool Region::gave_up(const void* pointer) const {
    if (!given_up_.load(std::memory_order_acquire)) return false;  // pairs with fit_into
    const Range& range = ranges_[offset_of(pointer) >> class_shift_];
    const auto* const at = static_cast<const std::byte*>(pointer);
    return at < range.slots.at() || at >= range.slots.at() + range.slots.committed();
}

bool Region::start(std::size_t bytes, std::size_t limit, std::size_t page_bytes) {
    const std::size_t range = bytes / kClasses;
    if (range < kLeastRange || page_bytes > kLeastRange) return false;
    const std::size_t heap_bytes = bytes / 16 < kLargestStep * 512 ? bytes / 16 : kLargestStep * 512;
    const std::size_t domain_bytes = heap_bytes < kMostDomainBytes ? heap_bytes : kMostDomainBytes;
    const std::size_t beside = all_descriptor_bytes(range) + heap_bytes + domain_bytes;
    if (bytes + beside + 2 * kAlignment > limit) return false;

    void* slots = os::reserve(bytes + kAlignment);
    if (slots == nullptr) return false;
    void* metadata = os::reserve(beside + kAlignment);
    if (metadata == nullptr) {
        os::unreserve(slots, bytes + kAlignment);
        return false;
    }
    std::byte* const base = aligned(slots);
    std::byte* at = aligned(metadata);
    os::avoid_huge_pages(base, bytes);
    os::avoid_huge_pages(at, beside);
    os::exclude_from_dump(base, bytes);
    os::exclude_from_dump(at, beside);

    class_shift_ = log2_floor(range);
    page_shift_ = log2_floor(page_bytes);
    slabs_ = reinterpret_cast<Slab*>(at);
    at += kAlignment;
    for (unsigned c = 0; c < kClasses; c++) {
        const std::size_t skew = round_down(slot_skew_bytes(c, range), block_bytes(c));
        const std::size_t start_offset = c * range + skew;
        Range& part = ranges_[c];
        const std::size_t left_out = left_out_bytes(c, skew);
        part.left_out = at;
        part.left_out_bytes = round_down(left_out, kAlignment);
        part.first = reinterpret_cast<Slab*>(at + left_out);
        part.slots.start(base + start_offset, range - skew, kSlotStep);
        part.slabs.start(at + part.left_out_bytes, descriptor_bytes(c, range) - part.left_out_bytes,
                         kSlabStep);
        cuts_.origin[c] =
            reinterpret_cast<std::uintptr_t>(part.first) - (start_offset >> span_shift(c)) * sizeof(Slab);
        cuts_.inverse[c] = class_inverse(c);
        cuts_.low_inverse[c] = class_inverse(c);
        cuts_.offset_mask[c] = static_cast<std::uint32_t>(class_span(c) - 1);
        cuts_.span_shift[c] = static_cast<std::uint8_t>(span_shift(c));
        fewest_on_page_[c] = static_cast<std::uint8_t>(class_slots(c));
        for (unsigned page = 0; page < pages_per_block(c); page++) {
            const std::size_t from = page << page_shift_;
            page_slots_[c][page] =
                span_shift(c) <= page_shift_ ? class_mask(c) : slots_between(c, from, from + page_bytes);
            const unsigned slots_there = popcount(page_slots_[c][page]);
            if (slots_there < fewest_on_page_[c]) fewest_on_page_[c] = static_cast<std::uint8_t>(slots_there);
        }
        at += descriptor_bytes(c, range);
    }
    heaps_.start(at, heap_bytes, kSlabStep);
    domains_.start(at + heap_bytes, domain_bytes, kSlabStep);
    base_ = reinterpret_cast<std::uintptr_t>(base);
    size_ = bytes;
    end_ = base_ + bytes;
    reserved_bytes_ = bytes + beside + 2 * kAlignment;
    return true;
}

std::byte* Region::slots_of(const Slab& slab) const {
    const std::size_t c = slab.size_class.get();
    const auto index = static_cast<std::size_t>(&slab - ranges_[c].first);
    return ranges_[c].slots.at() + (index << span_shift(c));
}

Slab& Region::first_of_larger_block(const Slab& slab) const {
    Slab* const first = ranges_[slab.size_class.get()].first;
    const auto index = static_cast<std::size_t>(&slab - first);
    return first[round_down(index, slabs_per_block(slab.size_class.get()))];
}

Slab* Region::next_block(Slab& first) const {
    const std::size_t c = first.size_class.get();
    Slab* const next = &first + slabs_per_block(c);
    return static_cast<std::size_t>(next - ranges_[c].first) < opened(c) ? next : nullptr;
}

Word Region::slots_on(std::size_t c, unsigned pages) const {
    Word slots = 0;
    for (unsigned page = 0; page < pages_per_block(c); page++) {
        if ((pages >> page & 1) != 0) slots |= page_slots_[c][page];
    }
    return slots;
}

unsigned Region::pages_under(std::size_t c, Word slots) const {
    unsigned pages = 0;
    for (unsigned page = 0; page < pages_per_block(c); page++) {
        if ((slots & page_slots_[c][page]) != 0) pages |= 1u << page;
    }
    return pages;
}

unsigned Region::empty_pages(const Slab& first) const {
    const std::size_t c = first.size_class.get();
    Word needed = 0;
    for (unsigned i = 0; i < slabs_per_block(c); i++) {
        if (!may_fill_page(c, (&first)[i].unused_count())) return 0;
        needed |= class_mask(c) & ~(&first)[i].unused();
    }
    return first.resident.get() & ~pages_under(c, needed);
}

Slab* Region::acquire(std::size_t c) {
    Range& range = ranges_[c];
    const auto link_of = [this](SlabNumber number) -> Shared<SlabNumber>& { return link(number); };
    SlabNumber claimed[kAcquireTries];  // a purger has them for now
    unsigned tries = 0;
    Slab* found = nullptr;
    while (found == nullptr && tries < kAcquireTries) {
        BoundedCall::did(Work::slab_visit);
        const SlabNumber popped = range.pool.pop(link_of);
        if (popped == 0) break;
        Slab& first = slab(popped);
        step(Step::acquire_popped);
        if (first.become_current(generation())) {
            found = &first;
        } else {
            claimed[tries++] = popped;
        }
    }
    while (tries > 0) release(slab(claimed[--tries]));
    if (found == nullptr) return open_fresh(c);
    stats.add_in(c, Figure::slabs_reopened, slabs_per_block(c));
    return found;
}

Slab* Region::open_fresh(std::size_t c) {
    Range& range = ranges_[c];
    const unsigned count = slabs_per_block(c);
    std::uint32_t index = range.opened.load(std::memory_order_relaxed);
    do {
        const std::size_t end = std::size_t{index} + count;
        if (!reach(range.slots, end << span_shift(c)) ||
            !reach(range.slabs, static_cast<std::size_t>(reinterpret_cast<std::byte*>(range.first + end) -
                                                         range.slabs.at())))
            return nullptr;
        if (index == 0 && range.left_out_bytes != 0 &&
            os::commit_zeros(range.left_out, range.left_out_bytes) != 0)
            return nullptr;
        // Whoever wins: all write the same.
        for (unsigned i = 0; i < count; i++)
            range.first[index + i].size_class.set(static_cast<std::uint8_t>(c));
        // Release pairs with opened(): who sees the count may read the descriptors below it.
    } while (!range.opened.compare_exchange_weak(index, index + count, std::memory_order_release,
                                                 std::memory_order_relaxed));
    extend(c, index + count);
    step(Step::acquire_popped);
    Slab& first = range.first[index];
    if (!first.become_current(generation())) return nullptr;
    stats.add_in(c, Figure::slabs_opened, count);
    slow_causes |= kOpenedNew;
    return &first;
}

// From here on pointers into the first `opened` slabs have a slab to look at.
void Region::extend(std::size_t c, std::uint32_t opened) {
    if (opened == 0) return;  // not even what the skew leaves out can be read
    const auto end = reinterpret_cast<std::uintptr_t>(ranges_[c].first + opened);
    std::atomic<std::uintptr_t>& known = cuts_.end[c];
    std::uintptr_t seen = known.load(std::memory_order_relaxed);
    while (seen < end && !known.compare_exchange_weak(seen, end, std::memory_order_relaxed)) {
    }
}

void Region::release(Slab& first) {
    ranges_[first.size_class.get()].pool.push(
        number(first), [this](SlabNumber number) -> Shared<SlabNumber>& { return link(number); },
        [&] { return first.generation.get() == generation(); });
}

void Region::begin_generation() {
    generation_.fetch_add(1, std::memory_order_relaxed);
    growing_.store(grows_here ? 1 : 0, std::memory_order_relaxed);
    for (Range& range : ranges_) {
        range.pool.forget();
        range.unlisted_end = range.opened.load(std::memory_order_relaxed);
        // The thread that opened the last ones may not be here to say so.
        extend(static_cast<std::size_t>(&range - ranges_), range.unlisted_end);
        range.relisted.store(0, std::memory_order_relaxed);
    }
}

Slab* Region::next_unlisted(std::size_t c) {
    Range& range = ranges_[c];
    if (range.relisted.load(std::memory_order_relaxed) >= range.unlisted_end) return nullptr;
    const std::uint32_t index = range.relisted.fetch_add(slabs_per_block(c), std::memory_order_relaxed);
    return index < range.unlisted_end ? &range.first[index] : nullptr;
}

std::size_t Region::metadata_bytes() const {
    std::size_t total = 0;
    for (const Range& range : ranges_) total += range.opened.load(std::memory_order_relaxed) * sizeof(Slab);
    return total;
}

}  // namespace tslab
