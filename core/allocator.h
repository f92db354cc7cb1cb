// The core as the preload layer sees it: what we serve, what we own, and the life of the process.
#pragma once

#include "domain.h"
#include "options.h"

namespace tslab {

// Requests of so many sizes from `least` bytes up are ours.
struct Served {
    std::size_t least;
    std::size_t sizes;
};
TSLAB_INTERNAL extern constinit Served served;

TSLAB_HOT bool serves(std::size_t bytes) { return bytes - served.least < served.sizes; }
TSLAB_HOT bool owns(const void* pointer) { return region.owns(pointer); }
TSLAB_HOT bool owns_high(const void* pointer) { return region.owns_high(pointer); }

// serves(bytes). What malloc_usable_size will say of the slot.
TSLAB_HOT std::size_t slot_bytes(std::size_t bytes) { return sizes.slot_bytes[(bytes + 15) / 16]; }

// serves(bytes). Null where the thread's stack is empty or the call is looked at: ask allocate_slow, and
// where that gives null, the next allocator.
TSLAB_HOT void* allocate(std::size_t bytes) {
    const std::uintptr_t bins = reinterpret_cast<std::uintptr_t>(sizes.no_bins) + this_thread.to_bins;
    return reinterpret_cast<Bin*>(bins + sizes.bin_offset[(bytes + 15) / 16])->take();
}
TSLAB_COLD void* allocate_slow(std::size_t bytes);

// owns(pointer). Keeps errno, as glibc's free does. False, with nothing done, where it is not a live slot of
// this thread's home, see slab.h: ask free_in_slab with what the pointer was found to name; one
// without a flag is no slot.
TSLAB_HOT bool free_owned(void* pointer, Held& held) {
    const Place place = region.locate(pointer);
    held = {static_cast<std::byte*>(pointer), nullptr};
    if (!place.exact) return false;
    Slab& slab = *place.slab;
    held = Held::make(held.slot, slab, place.slot);
    if (slab.home.load(std::memory_order_relaxed) != this_thread.home) return false;
    if (held.live->get_own() == 0) return false;  // of this thread's home, and so without tails
    if ((slab.remote_free.load(std::memory_order_relaxed) >> place.slot & 1) != 0) return false;
    if (this_thread.bins[place.size_class].push(held)) [[likely]] {
        held.live->set(0);
    } else {
        this_thread.heap->free_to_slab(held);
    }
    return true;
}

// What free_owned left undone, of a live slot.
TSLAB_HOT void give_back(Held held) {
    Heap* const heap = this_thread.heap;
    const HeapNumber owner = heap_of(held.slab().home.load(std::memory_order_relaxed));
    if (heap != nullptr && owner == heap->number()) {
        heap->free_to_slab(held);
    } else {
        Heap::free_remote(held, heap);
    }
}

// What free_owned left undone. False, with nothing done, where the slot is not live or its slab has marks:
// ask free_owned_slow.
TSLAB_HOT bool free_in_slab(Held held) {
    if (held.live == nullptr || !held.is_live()) return false;
    const Slab& slab = held.slab();
    if (slab.marks.load(std::memory_order_relaxed) != 0 || slab.is_marked()) return false;
    give_back(held);
    return true;
}

// owns(pointer). False, with nothing done, where still_owns(pointer) is: the pointer is the next allocator's.
TSLAB_COLD bool free_owned_slow(void* pointer);

// owns(pointer). Whether it is not in address space that has been given up, and so the next allocator's.
bool still_owns(const void* pointer);

// owns(pointer). The slot's size, or 0 where the pointer is not a live slot's start.
TSLAB_HOT std::size_t usable_bytes(const void* pointer) {
    const Place place = region.locate(pointer);
    if (!place.is_live()) return 0;
    const std::size_t c = place.size_class;
    return class_size(place.slab->tails.get() == 0 ? c : place.slab->live.class_at(place.slot, c));
}
// Of a live slot, and bytes that are served: whether it may have been lent for so many.
inline bool may_be_lent_for(const void* pointer, std::size_t bytes) {
    const Place place = region.locate(pointer);
    const bool is_retired = (place.slab->home.load(std::memory_order_relaxed) & kRetired) != 0;
    return is_retired && slots_to_borrow(place.size_class, class_of(bytes)) == 1;
}
// still_owns(pointer), of which usable_bytes gave 0: no realloc may have it.
TSLAB_COLD void report_resize(const void* pointer);

// Whether a request aligned to `alignment` (a power of two) can be served, and the size to allocate for it; 0
// where it goes to the next allocator.
std::size_t aligned_bytes(std::size_t alignment, std::size_t bytes);

// The life of the process. Until start() is called, and where it answers false, nothing is served.
enum class Phase : unsigned char { unstarted, starting, active, passing_through };
Phase phase();
struct Host {
    const char* next_name;  // of the next allocator, as all for the banner
    bool next_is_mixed;     // parts of it come from elsewhere
    const char* obstacle;   // why nothing may be served in this process; null where it may
};
// Reads the options and reserves the region; one thread does, others are not served until it is done. Does
// nothing while the environment is unknown, unless `now`. True for the call that made the library active.
bool start(const Host& host, bool now);

// Begins to look at calls where the options ask for it, to time, sample and publish; `own` to `own_end` is
// the library's code. Called once, when libraries can be opened. What was allocated before is not known to
// profiles.
void start_watching(const void* own, const void* own_end);

// While one lives this thread is not served, and frees as if it owned nothing: the next allocator is at work
// and may call the family by name for memory of its own.
class Aside {
  public:
    Aside() : was_(this_thread) { this_thread = {nullptr, kNowhere, nullptr, true}; }
    ~Aside() { this_thread = was_; }
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

  private:
    Thread was_;
};

// This thread's heap, made if need be; null where the thread may not or cannot have one.
Heap* thread_heap();

// Gives every empty page back, in time proportional to the slabs. Returns the bytes.
std::size_t trim();

// Forwarded requests between two looks whether there is anything to publish, of a thread that is not served.
inline constexpr std::uint64_t kForwardedGlances = 1024;
TSLAB_COLD void glance_slow();

// Counts a request that the next allocator has because of its size or its alignment (0 where it asks for
// none). Called only where the options want figures.
TSLAB_COLD void count_forwarded_slow(std::size_t bytes, std::size_t alignment);
TSLAB_HOT void count_forwarded(std::size_t bytes, std::size_t alignment) {
    Heap* const heap = this_thread.heap;
    // Most that are forwarded are small, and others take longer anyway.
    if (heap == nullptr || bytes >= served.least) return count_forwarded_slow(bytes, alignment);
    const std::uint64_t count = heap->forwarded_below.get() + 1;
    heap->forwarded_below.set(count);
    if (count % kForwardedGlances == 0) glance_slow();
}

// Writes the files that TSLAB_PROFILE asks for, see profile.h.
void write_profile();

// The line that TSLAB_LATENCY asks for, on stderr.
void print_latency();

// The last reports that the options ask for.
void end_process();

}  // namespace tslab
