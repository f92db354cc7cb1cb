// How slots become free: in the owner's hands, or in another thread's, whose frees the owner collects; and
// what becomes of the slab then.
#include "heap.h"
#include "reclaim.h"

namespace tslab {

namespace {

// Whether more follows from another free slot: joined slots come apart, and a slab that was listed nowhere
// for want of memory waits for it.
TSLAB_HOT bool turns(const Slab& slab, std::size_t c, unsigned room) {
    return (turning_points.of[c] >> room & 1) != 0 || slab.listed == 0 || slab.tails.get() != 0;
}

// A live or held slot of a slab without tails, which has so many free ones.
TSLAB_HOT void make_free(Slab& slab, Held held, unsigned room) {
    held.live->set(0);
    slab.set_free(slab.free.get() | held.mask(), room + 1);
}

}  // namespace

void Heap::free_to_slab(Held held) {
    const BoundedCall call;
    Slab& slab = held.slab();
    const std::size_t c = slab.size_class.get();
    const unsigned room = slab.room.get();
    if (turns(slab, c, room) || bin(c).holds_too_many()) return free_turning(held);
    make_free(slab, held, room);
}

void Heap::free_turning(Held held) {
    Slab& slab = held.slab();
    const std::size_t c = slab.size_class.get();
    std::size_t bytes = put_back(held);
    bin(c).hold_at_most(stack_slots(c));
    if (bin(c).holds_too_many()) bytes += put_back(bin(c).pop());
    if (bytes == 0) return;
    clock(bytes, region.number(slab));
    judge_call(c);
}

// A live or held slot becomes free. Returns the bytes to be clocked now.
std::size_t Heap::put_back(Held held) {
    Slab& slab = held.slab();
    const std::size_t c = slab.size_class.get();
    if (slab.tails.get() != 0) {
        const unsigned count = slab.take_back(held.mask());
        settle(slab, c);
        return count * class_size(c);
    }
    const unsigned room = slab.room.get();
    make_free(slab, held, room);
    if (!turns(slab, c, room)) return 0;
    settle(slab, c);
    return (room + 1) % kClockedSlots == 0 ? kClockedSlots * class_size(c) : 0;
}

void Heap::free_remote(Held held, Heap* own) {
    const BoundedCall call;
    Slab& slab = held.slab();
    const std::size_t c = slab.size_class.get();
    const Word mask = held.mask();
    if (held.live->get() != LiveSlots::kLive) return report_misuse(Misuse::double_free, c, held.slot);
    const unsigned count = slab.tails.get() == 0 ? 1 : popcount(slab.joined(mask));
    step(Step::free_remote_tested);
    // Sequentially consistent, as the read of the owner in enqueue_remote: pairs with settle_in. Its release
    // pairs with fold and with unused: this thread has done with the object.
    const Word before = slab.remote_free.fetch_or(mask, std::memory_order_seq_cst);
    if ((before & mask) != 0) return report_misuse(Misuse::double_free, c, held.slot);
    step(Step::free_remote_set);
    if (before == 0) enqueue_remote(slab);
    const std::size_t bytes = kClockedSlots * class_size(c);
    if (own == nullptr) {  // nowhere to count: the slab says when
        if (popcount(before | mask) % (kClockedSlots / count) != 0) return;
        reclaim.tick_or_leave(bytes, region.number(slab));
        return stats.judge_call(c);
    }
    own->frees_elsewhere_ += count;
    if (own->frees_elsewhere_ % kClockedSlots >= count) return;  // not past a multiple of it
    own->clock(bytes, region.number(slab));
    own->judge_call(c);
}

// Puts the slab on its owner's pending stack, unless it is on one.
void Heap::enqueue_remote(Slab& slab) {
    const HeapNumber owner = heap_of(slab.home.load(std::memory_order_seq_cst));  // pairs with settle_in
    if (owner == 0 || heaps.is_void(owner)) return;
    SlabNumber unqueued = 0;
    // Pairs with collect: found queued, the collector has yet to look at the owner.
    if (!slab.pending_next.compare_exchange_strong(unqueued, kLastPending, std::memory_order_seq_cst)) {
        return;
    }
    step(Step::free_remote_queued);
    std::atomic<SlabNumber>& pending = heaps.at(owner).pending_[slab.size_class.get()];
    SlabNumber below = pending.load(std::memory_order_relaxed);
    do {
        slab.pending_next.store(below != 0 ? below : kLastPending, std::memory_order_relaxed);
    } while (!pending.compare_exchange_weak(below, region.number(slab), std::memory_order_release,
                                            std::memory_order_relaxed));  // pairs with collect
}

// Who frees from another thread from here on either sees the new home and queues the slab, or is seen by the
// load.
void Heap::settle_in(Slab& slab, Home home) {
    slab.move_to(home, std::memory_order_seq_cst);  // as the load: pairs with free_remote
    if (slab.remote_free.load(std::memory_order_seq_cst) != 0) enqueue_remote(slab);
}

unsigned Heap::collect(std::size_t c, unsigned most_slabs) {
    std::atomic<SlabNumber>& pending = pending_[c];
    SlabNumber& collecting = collecting_[c];
    for (unsigned i = 0; i < most_slabs; i++) {
        if (collecting == 0) {
            if (pending.load(std::memory_order_relaxed) == 0) return i;
            collecting = pending.exchange(0, std::memory_order_acquire);  // pairs with enqueue_remote
        }
        Slab& slab = region.slab(collecting);
        const SlabNumber next = slab.pending_next.load(std::memory_order_relaxed);
        collecting = next == kLastPending ? 0 : next;
        BoundedCall::did(Work::slab_visit);
        step(Step::collect_popped);
        // Sequentially consistent, as all of enqueue_remote: unqueued before the owner is looked up again.
        slab.pending_next.store(0, std::memory_order_seq_cst);
        fold(slab);
    }
    return most_slabs;
}

// What was freed of a class that this thread does not ask for any more becomes anybody's, too.
void Heap::collect_in_turn(unsigned most_slabs) {
    if (++refills_to_turn_ % kCollectTurn != 0) return;
    if (collect(turn_, most_slabs) == most_slabs) return;  // it may have more
    turn_ = (turn_ + 1) % kClasses;
}

// Turns what others have freed into free slots.
void Heap::fold(Slab& slab) {
    if (heap_of(slab.home.load(std::memory_order_relaxed)) != number_) return enqueue_remote(slab);
    const std::size_t c = slab.size_class.get();
    Word left = 0;
    do {
        const Word freed = slab.remote_free.load(std::memory_order_acquire);  // pairs with free_remote
        const Word valid = freed & slab.live.get();
        remote_frees[c].set(remote_frees[c].get() + popcount(valid));
        slab.take_back(valid);
        // Two that raced. Where the slot was taken again in between, the second has freed its new object:
        // nothing tells them apart.
        if (freed != valid) stats.add_in(c, Figure::double_frees, popcount(freed & ~valid));
        step(Step::collect_freed);
        // A second free of one of these slots sees its bit here, or later its live flag gone. Acquire as
        // above; release pairs with free_remote: who finds zero finds the slab unqueued.
        left = slab.remote_free.fetch_and(~freed, std::memory_order_acq_rel) & ~freed;
    } while (left != 0);
    settle(slab, c);
}

// After slots of the slab became free: offers it for refill, or lets its block go.
void Heap::settle(Slab& slab, std::size_t c) {
    TSLAB_ASSERT(slab.owner_words_agree());
    Bins& bins = bins_of(slab.unmarked_home());
    if (&slab == bins[c].current || slab.room.get() == 0 || release_if_empty(bins[c], slab, c)) return;
    if (is_to_retire(slab, c)) slab.retire();
    list(bins[c], slab, list_for(bins, slab));
}

// Not where others share its pages, nor where it is new rather than sparse: what is free of it never had
// memory. Nor those of domains: what is taken from them is the domain's.
bool Heap::is_to_retire(Slab& slab, std::size_t c) const {
    if (slab.room.get() < sparse_at(c) || slabs_[c].get() < kManySlabs) return false;
    if (slab.unmarked_home() != own_.home.get() || region.slabs_per_block(c) > 1) return false;
    return slab.purged.get() || popcount(resident_slots(slab, c)) >= sparse_at(c);
}

bool Heap::release_if_empty(Bin& bin, Slab& slab, std::size_t c) {
    if (slab.room.get() != class_slots(c)) return false;
    Slab& first = region.first_of_block(slab);
    const unsigned count = region.slabs_per_block(c);
    for (unsigned i = 0; i < count; i++) {
        const Slab& each = (&first)[i];
        if (&each == bin.current || each.room.get() != class_slots(c)) return false;
        if (each.remote_free.load(std::memory_order_relaxed) != 0) return false;
        if (each.pending_next.load(std::memory_order_relaxed) != 0) return false;
    }
    first.generation.set(region.generation());
    const std::uint32_t epoch = epoch_of(slab.home.load(std::memory_order_relaxed));
    epochs.count_released(epoch, count);
    add_slabs(c, 0u - count);
    for (unsigned i = 0; i < count; i++) {
        if ((&first)[i].listed != 0) unlist(bin, (&first)[i]);
        // Pairs with relist: the generation is known first.
        (&first)[i].home.store(home_of(epoch, 0, 0), std::memory_order_release);
    }
    step(Step::release_unowned);
    region.release(first);
    return true;
}

}  // namespace tslab
