// How a heap gets slots for its stacks, keeps its slabs in lists, and clocks what it does.
#include "heap.h"

#include "reclaim.h"

namespace tslab {

constinit std::atomic<void (*)()> after_tick;
constinit const Sizes sizes;
constinit thread_local Thread this_thread{};

// Taking
// ------------------------------------------------------------------------------------------------------

// A refill: it collects, looks for open and closed slabs, for some of other classes, in a forked child for
// more, for one that nobody owns, and ticks.
static_assert(kCollectSlabs + 2 * kOpenTries + 2 * 2 * kClosedTries + kBorrowTries + kRelistBlocks +
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

}  // namespace

Word resident_slots(Slab& slab, std::size_t c) {
    const Word free = slab.free.get();
    const unsigned missing = all_pages_of(c) & ~region.first_of_block(slab).resident.get();
    return missing == 0 ? free : free & ~region.slots_on(c, missing);
}

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
        if (refill_by_borrowing(c)) return true;
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

// Lists and the clock
// -----------------------------------------------------------------------------------------------------

// Those of the domain it was opened for, while there is that domain.
Bins& Heap::bins_of(Home home) {
    if (domain_of(home) == 0) return own_;
    Bins& bins = domain_bins(domain_of(home));
    return bins.home.get() == home ? bins : own_;
}

unsigned Heap::list_for(const Bins& bins, const Slab& slab) {
    return slab.unmarked_home() == bins.home.get() ? 0 : closed_list(slab.room.get());
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
    const std::size_t recycled = reclaim.gain() == Gain::large ? recycled_bytes_ : 0;
    if (clock_bytes_ + recycled < kTickBytes || !reclaim.tick(clock_bytes_, freed_into, recycled_bytes_))
        return;
    clock_bytes_ = 0;
    recycled_bytes_ = 0;
    slow_causes |= kTookLock;
    if (void (*const report)() = after_tick.load(std::memory_order_relaxed)) report();
}

}  // namespace tslab
