#include "heap.h"

#include "reclaim.h"

namespace tslab {

constinit std::atomic<void (*)()> after_tick;
constinit const Sizes sizes;
constinit thread_local Thread this_thread{};

// Taking
// ------------------------------------------------------------------------------------------------------

// A refill: it collects, looks for open and closed slabs, for some to join slots of, in a forked child for
// more, for one that nobody owns, and ticks.
static_assert(kCollectSlabs + 2 * kOpenTries + 2 * 2 * kClosedTries + kJoinTries + kRelistBlocks +
                  kAcquireTries + kVisitsPerTick <=
              kMostWork[static_cast<unsigned>(Work::slab_visit)]);

void* Heap::take_slow(std::size_t c) {
    const BoundedCall call;
    keep_count(c);
    if (void* const slot = bin(c).take()) return slot;  // it was the count that refused
    follow_epoch();
    refills[c].set(refills[c].get() + 1);
    const bool filled = refill(*in_force_, c);
    judge_call(c);
    return filled ? bin(c).take() : nullptr;
}

// Most of them only took the lock: those are counted here.
void Heap::judge_call(std::size_t c) {
    if (slow_causes != kTookLock) return stats.judge_call(c);
    slow_locks[c].set(slow_locks[c].get() + 1);
    slow_causes = 0;
}

void Heap::begin() {
    own_.home.set(home_of(epochs.current(), 0, number_));
    put_in_force(own_);
}

void Heap::put_in_force(Bins& bins) {
    in_force_ = &bins;
    this_thread.show(bins.of, bins.home.get());
}

void Heap::renew() {
    empty(own_);
    follow_epoch();
}

void Heap::follow_epoch() {
    if (in_force_ != &own_ || epoch_of(own_.home.get()) == static_cast<std::uint32_t>(epochs.current()))
        return;
    begin();
}

namespace {

unsigned all_pages_of(std::size_t c) { return static_cast<unsigned>(low_bits(region.pages_per_block(c))); }

// The free slots that have memory.
Word resident_slots(Slab& slab, std::size_t c) {
    const Word free = slab.free.get();
    const unsigned missing = all_pages_of(c) & ~region.first_of_block(slab).resident.get();
    return missing == 0 ? free : free & ~region.slots_on(c, missing);
}

}  // namespace

Word ready_slots(Slab& slab, std::size_t c) {
    const Word ready = resident_slots(slab, c);
    if (ready == 0 || !region.may_fill_page(c, slab.room.get())) return ready;
    const unsigned empty = all_pages_of(c) & ~region.pages_under(c, class_mask(c) & ~slab.free.get());
    const Word packed = empty == 0 ? ready : ready & ~region.slots_on(c, empty);
    return packed != 0 ? packed : ready;
}

bool Heap::refill(Bins& bins, std::size_t c) {
    if (refill_from_current(bins, c)) return true;
    collect_in_turn(kCollectSlabs - collect(c, kCollectSlabs));
    if (refill_from_open(bins, c, true)) return true;
    if (&bins == &own_) {
        if (reclaim.is_over_budget(c) && refill_from_closed(bins, c)) return true;
        if (refill_by_joining(c)) return true;
    }
    Bin& bin = bins[c];
    if (bin.current != nullptr && bin.current->free.get() != 0) {
        take_batch(bin, c, bin.current->free.get());
        return true;
    }
    if (refill_from_open(bins, c, false)) return true;
    if (relist(c) && &bins == &own_ && refill_from_closed(bins, c)) return true;
    return refill_from_new(bins, c);
}

// Only slots that have memory.
bool Heap::refill_from_current(Bins& bins, std::size_t c) {
    Bin& bin = bins[c];
    if (bin.current == nullptr) return false;
    if (bin.current->unmarked_home() != bins.home.get()) {
        close_current(bin, c);
        return false;
    }
    const Word ready = ready_slots(*bin.current, c);
    if (ready == 0) return false;
    take_batch(bin, c, ready);
    return true;
}

bool Heap::refill_from_open(Bins& bins, std::size_t c, bool with_memory) {
    Bin& bin = bins[c];
    SlabNumber number = bin.first[0];
    for (unsigned tries = 0; number != 0 && tries < kOpenTries; tries++) {
        BoundedCall::did(Work::slab_visit);
        Slab& slab = region.slab(number);
        number = slab.next.get();
        // Those listed since the epoch was opened stand before all others.
        if (slab.unmarked_home() != bins.home.get()) return false;
        const Word pick = with_memory ? ready_slots(slab, c) : slab.free.get();
        if (pick == 0 || !make_current(bin, slab, c)) continue;
        take_batch(bin, c, pick);
        return true;
    }
    return false;
}

// The fullest that has free memory, as far as a bounded look tells. A sparse one that is left alone empties.
bool Heap::refill_from_closed(Bins& bins, std::size_t c) {
    Bin& bin = bins[c];
    for (unsigned tries = 0; bin.first[0] != 0 && tries < kClosedTries; tries++) {
        BoundedCall::did(Work::slab_visit);
        Slab& slab = region.slab(bin.first[0]);
        if (list_for(bins, slab) == 0) break;
        list(bin, slab, list_for(bins, slab));
    }
    unsigned tries = 0;
    for (unsigned which = 1; which < kLists; which++) {
        for (SlabNumber number = bin.first[which]; number != 0 && tries < kClosedTries; tries++) {
            BoundedCall::did(Work::slab_visit);
            Slab& slab = region.slab(number);
            number = slab.next.get();
            const Word ready = ready_slots(slab, c);
            if (ready == 0) {
                unlist(bin, slab);  // it waits for its next free
            } else if (make_current(bin, slab, c)) {
                bring_in(bins, slab, c);
                take_batch(bin, c, ready);
                return true;
            }
        }
    }
    return false;
}

bool Heap::refill_from_new(Bins& bins, std::size_t c) {
    Slab* const first = region.acquire(c);
    if (first == nullptr) return false;
    step(Step::open_claimed);
    open_block(bins, *first, c);
    take_batch(bins[c], c, first->free.get());
    return true;
}

unsigned Heap::stack_slots(std::size_t c) const {
    if (reclaim.gain() == Gain::large) return kLeastStackSlots;
    const bool little_to_lose =
        reclaim.gain() == Gain::small && slabs_[c].get() < kManySlabs && heaps.count() <= kFewHeaps;
    return little_to_lose ? kStackSlots : kUsualStackSlots;
}

// Fills the stack from slots of the current slab, so that the lowest address is taken first.
void Heap::take_batch(Bin& bin, std::size_t c, Word pick) {
    Slab& slab = *bin.current;
    Slab& first = region.first_of_block(slab);
    const unsigned all_pages = all_pages_of(c);
    const unsigned resident = first.resident.get();
    const unsigned ready = popcount(pick);
    const unsigned most = stack_slots(c);
    const unsigned count = ready < most / 2 ? ready : most / 2;
    const Word batch = bin.put_above(region.slots_of(slab), class_size(c), slab, pick, count);
    if (resident != all_pages) {
        const unsigned touched = resident | region.pages_under(c, batch);
        if (const unsigned fresh = popcount(touched & ~resident); fresh != 0) {
            stats.add_in(c, Figure::resident_pages, fresh);
            if (first.purged.get()) {
                stats.add_in(c, Figure::pages_retaken, fresh);
                slow_causes |= kTookPurged;
            }
            first.resident.set(static_cast<std::uint8_t>(touched));
        }
    }
    step(Step::take_resident);

    slab.set_free(slab.free.get() & ~batch, slab.room.get() - count);
    TSLAB_ASSERT(slab.owner_words_agree());
    step(Step::take_free);
    bin.hold_at_most(most);
    bin.take_in(count);
    if (&bin == &own_[c]) note_recycled(c, count);
    clock(count * class_size(c), 0);
}

// The stack was empty: what was taken beyond what refills had brought to it had been freed to it, and was
// taken again. Of domains, which are short, this is not known.
void Heap::note_recycled(std::size_t c, unsigned refilled) {
    const std::uint64_t taken = taken_before[c].get() + own_[c].taken();
    if (taken > brought_[c]) recycled_bytes_ += 2 * (taken - brought_[c]) * class_size(c);
    brought_[c] = taken + refilled;
}

// A listed slab takes the place of the current one. False where its block is being purged.
bool Heap::make_current(Bin& bin, Slab& slab, std::size_t c) {
    Slab& first = region.first_of_block(slab);
    Slab* const old = bin.current;
    const bool same_block = old != nullptr && &region.first_of_block(*old) == &first;
    if (!same_block && !first.become_current(region.generation())) return false;
    step(Step::open_claimed);
    unlist(bin, slab);
    bin.current = &slab;
    if (old == nullptr) return true;
    if (!same_block) region.first_of_block(*old).park(region.generation());
    settle(*old, c);
    return true;
}

// A closed slab's block comes to the open epoch: what it still holds is packed among young objects, not
// pinned by them.
void Heap::bring_in(Bins& bins, Slab& slab, std::size_t c) {
    Slab& first = region.first_of_block(slab);
    const unsigned count = region.slabs_per_block(c);
    const std::uint32_t epoch = epoch_of(slab.home.load(std::memory_order_relaxed));
    if (epoch != epoch_of(bins.home.get())) {
        epochs.count_refilled(epoch, count);
        stats.add_in(c, Figure::slabs_refilled, count);
    }
    for (unsigned i = 0; i < count; i++) (&first)[i].move_to(bins.home.get(), std::memory_order_relaxed);
}

// Takes over a block without an owner: its first slab becomes current, the others wait in the list.
void Heap::open_block(Bins& bins, Slab& first, std::size_t c) {
    Bin& bin = bins[c];
    close_current(bin, c);
    const unsigned count = region.slabs_per_block(c);
    for (unsigned i = count; i-- > 0;) {
        Slab& slab = (&first)[i];
        const Word strayed = slab.remote_free.exchange(0, std::memory_order_relaxed);
        stats.add_in(c, Figure::double_frees, popcount(strayed));
        slab.live.clear(~Word{0});
        slab.tails.set(0);
        slab.set_free(class_mask(c), class_slots(c));
        slab.listed = 0;
        slab.generation.set(region.generation());
        settle_in(slab, bins.home.get());
        if (i > 0) list(bin, slab, 0);
    }
    bin.current = &first;
    add_slabs(c, count);
    epochs.count_opened(epoch_of(bins.home.get()), count);
}

void Heap::close_current(Bin& bin, std::size_t c) {
    Slab* const slab = bin.current;
    if (slab == nullptr) return;
    bin.current = nullptr;
    region.first_of_block(*slab).park(region.generation());
    settle(*slab, c);
}

// Freeing
// -----------------------------------------------------------------------------------------------------

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

// Those of the domain it was opened for, while there is that domain.
Bins& Heap::bins_of(Home home) {
    if (domain_of(home) == 0) return own_;
    Bins& bins = domain_bins(domain_of(home));
    return bins.home.get() == home ? bins : own_;
}

unsigned Heap::list_for(const Bins& bins, const Slab& slab) {
    return slab.unmarked_home() == bins.home.get() ? 0 : closed_list(slab.room.get());
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

// To the front of the list, unless it is in it.
void Heap::list(Bin& bin, Slab& slab, unsigned which) {
    if (slab.listed == which + 1) return;
    if (slab.listed != 0) unlist(bin, slab);
    SlabNumber& first = bin.first[which];
    slab.listed = static_cast<std::uint8_t>(which + 1);
    slab.previous = 0;
    slab.next.set(first);
    if (first != 0) region.slab(first).previous = region.number(slab);
    first = region.number(slab);
}

void Heap::unlist(Bin& bin, Slab& slab) {
    const SlabNumber next = slab.next.get();
    if (next != 0) region.slab(next).previous = slab.previous;
    if (slab.previous != 0) {
        region.slab(slab.previous).next.set(next);
    } else {
        bin.first[slab.listed - 1] = next;
    }
    slab.listed = 0;
}

void Heap::clock(std::size_t bytes, SlabNumber freed_into) {
    clock_bytes_ += bytes;
    if (clock_bytes_ < kTickBytes || !reclaim.tick(clock_bytes_, freed_into, recycled_bytes_)) return;
    clock_bytes_ = 0;
    recycled_bytes_ = 0;
    slow_causes |= kTookLock;
    if (void (*const report)() = after_tick.load(std::memory_order_relaxed)) report();
}

// Who frees from another thread from here on either sees the new home and queues the slab, or is seen by the
// load.
void Heap::settle_in(Slab& slab, Home home) {
    slab.move_to(home, std::memory_order_seq_cst);  // as the load: pairs with free_remote
    if (slab.remote_free.load(std::memory_order_seq_cst) != 0) enqueue_remote(slab);
}

}  // namespace tslab
