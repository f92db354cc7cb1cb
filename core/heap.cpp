#include "heap.h"

#include "reclaim.h"

namespace tslab {

constinit Heaps heaps;
constinit thread_local Thread this_thread{};

// Taking
// ------------------------------------------------------------------------------------------------------

void* Heap::take_slow(std::size_t c) {
    Bin& bin = bins_[c];
    if (bin.current == nullptr || !take_batch(bin, c)) {
        close_current(bin, c);
        if (!open_next(bin, c) || !take_batch(bin, c)) {
            stats.add(Figure::exhausted);
            return nullptr;
        }
    }
    return bin.take();
}

// Fills the stack from the current slab, so that the lowest address is taken first; slots on resident pages
// before others. False where the slab has none.
bool Heap::take_batch(Bin& bin, std::size_t c) {
    Slab& slab = *bin.current;
    const Word free = slab.free.get();
    if (free == 0) return false;

    Slab& first = region.first_of_block(slab);
    const unsigned all_pages = static_cast<unsigned>(low_bits(region.pages_per_block(c)));
    const unsigned resident = first.resident.get();
    Word pick = free;
    if (resident != all_pages) {
        const Word ready = free & ~region.slots_on(c, all_pages & ~resident);
        if (ready != 0) pick = ready;
    }
    Word batch = 0;
    for (unsigned count = 0; pick != 0 && count < kBatch; count++, pick &= pick - 1) batch |= pick & -pick;
    if (resident != all_pages) {
        const unsigned touched = resident | region.pages_under(c, batch);
        const unsigned fresh = popcount(touched & ~resident);
        stats.add(Figure::resident_pages, fresh);
        if (first.purged) stats.add(Figure::pages_retaken, fresh);
        first.resident.set(static_cast<std::uint8_t>(touched));
    }
    step(Step::take_resident);

    slab.free.set(free & ~batch);
    const unsigned count = popcount(batch);
    slab.room = static_cast<std::uint8_t>(slab.room - count);
    TSLAB_ASSERT(slab.owner_words_agree());
    step(Step::take_free);
    std::byte* const slots = region.slots_of(slab);
    for (Word left = batch; left != 0;) {
        const unsigned slot = 63 - static_cast<unsigned>(__builtin_clzll(left));
        bin.push(Held::make(slots + slot * class_size(c), slab, slot));
        left &= ~bit(slot);
    }
    clock(count * class_size(c));
    return true;
}

bool Heap::open_next(Bin& bin, std::size_t c) {
    collect(kCollectSlabs);
    if (open_listed(bin)) return true;
    relist(c);
    if (open_listed(bin)) return true;
    Slab* const first = region.acquire(c);
    if (first == nullptr) return false;
    step(Step::open_claimed);
    open_block(bin, *first, c);
    return true;
}

bool Heap::open_listed(Bin& bin) {
    SlabNumber number = bin.first_listed;
    for (unsigned tries = 0; number != 0 && tries < kOpenTries; tries++) {
        Slab& slab = region.slab(number);
        if (region.first_of_block(slab).become_current(region.generation())) {
            step(Step::open_claimed);
            unlist(bin, slab);
            bin.current = &slab;
            return true;
        }
        number = slab.next.get();
    }
    return false;
}

// Takes over a block without an owner: its first slab becomes current, the others wait in the list.
void Heap::open_block(Bin& bin, Slab& first, std::size_t c) {
    for (unsigned i = region.slabs_per_block(c); i-- > 0;) {
        Slab& slab = (&first)[i];
        const Word strayed = slab.remote_free.exchange(0, std::memory_order_relaxed);
        stats.add(Figure::double_frees, popcount(strayed));
        slab.live.set(0);
        slab.free.set(class_mask(c));
        slab.room = static_cast<std::uint8_t>(class_slots(c));
        slab.listed = false;
        slab.generation.set(region.generation());
        settle_in(slab, this_thread.home);
        if (i > 0) list(bin, slab);
    }
    bin.current = &first;
}

void Heap::close_current(Bin& bin, std::size_t c) {
    Slab* const slab = bin.current;
    if (slab == nullptr) return;
    bin.current = nullptr;
    region.first_of_block(*slab).park(region.generation());
    settle(bin, *slab, c);
}

// Freeing
// -----------------------------------------------------------------------------------------------------

void Heap::free_slow(const Place& place) {
    Slab& slab = *place.slab;
    const std::size_t c = place.size_class;
    slab.live.set(slab.live.get() & ~place.mask());
    slab.free.set(slab.free.get() | place.mask());
    slab.room++;
    const bool ticks = slab.room % 16 == 0;
    settle(bins_[c], slab, c);
    if (ticks) clock(16 * class_size(c));
}

void Heap::free_remote(const Place& place, const void* pointer, Heap* own) {
    Slab& slab = *place.slab;
    const Word mask = place.mask();
    if ((slab.live.get() & mask) == 0) return report_misuse(Misuse::double_free, pointer);
    step(Step::free_remote_tested);
    // Sequentially consistent, as the read of the owner in enqueue_remote: pairs with relist.
    const Word before = slab.remote_free.fetch_or(mask, std::memory_order_seq_cst);
    if ((before & mask) != 0) return report_misuse(Misuse::double_free, pointer);
    step(Step::free_remote_set);
    if (before == 0) enqueue_remote(slab);
    if (own != nullptr && popcount(before | mask) % 16 == 0) own->clock(16 * class_size(place.size_class));
}

// Puts the slab on its owner's pending stack, unless it is on one.
void Heap::enqueue_remote(Slab& slab) {
    const HeapNumber owner = heap_of(slab.home.load(std::memory_order_seq_cst));
    if (owner == 0 || heaps.is_void(owner)) return;
    SlabNumber unqueued = 0;
    if (!slab.pending_next.compare_exchange_strong(unqueued, kLastPending, std::memory_order_seq_cst)) {
        return;
    }
    step(Step::free_remote_queued);
    std::atomic<SlabNumber>& pending = heaps.at(owner).pending_;
    SlabNumber below = pending.load(std::memory_order_relaxed);
    do {
        slab.pending_next.store(below != 0 ? below : kLastPending, std::memory_order_relaxed);
    } while (!pending.compare_exchange_weak(below, region.number(slab), std::memory_order_release,
                                            std::memory_order_relaxed));  // pairs with collect
}

void Heap::collect(unsigned most_slabs) {
    for (unsigned i = 0; i < most_slabs; i++) {
        if (collecting_ == 0) {
            if (pending_.load(std::memory_order_relaxed) == 0) return;
            collecting_ = pending_.exchange(0, std::memory_order_acquire);  // pairs with enqueue_remote
        }
        Slab& slab = region.slab(collecting_);
        const SlabNumber next = slab.pending_next.load(std::memory_order_relaxed);
        collecting_ = next == kLastPending ? 0 : next;
        step(Step::collect_popped);
        // Sequentially consistent, as all of enqueue_remote: unqueued before the owner is looked up again.
        slab.pending_next.store(0, std::memory_order_seq_cst);
        fold(slab);
    }
}

// Turns what others have freed into free slots.
void Heap::fold(Slab& slab) {
    if (heap_of(slab.home.load(std::memory_order_relaxed)) != number_) return enqueue_remote(slab);
    const std::size_t c = slab.size_class;
    Word left = 0;
    do {
        const Word freed = slab.remote_free.load(std::memory_order_acquire);  // pairs with free_remote
        const Word valid = freed & slab.live.get();
        slab.free.set(slab.free.get() | valid);
        slab.live.set(slab.live.get() & ~valid);
        slab.room = static_cast<std::uint8_t>(slab.room + popcount(valid));
        // Two that raced. Where the slot was taken again in between, the second has freed its new object:
        // nothing tells them apart.
        if (freed != valid) stats.add(Figure::double_frees, popcount(freed & ~valid));
        step(Step::collect_freed);
        // A second free of one of these slots sees its bit here, or later its live bit gone.
        left = slab.remote_free.fetch_and(~freed, std::memory_order_acq_rel) & ~freed;
    } while (left != 0);
    settle(bins_[c], slab, c);
}

// After slots of the slab became free: offers it for refill, or lets its block go.
void Heap::settle(Bin& bin, Slab& slab, std::size_t c) {
    TSLAB_ASSERT(slab.owner_words_agree());
    if (&slab == bin.current || release_if_empty(bin, slab, c)) return;
    if (!slab.listed && slab.room >= offer_at(c)) list(bin, slab);
}

bool Heap::release_if_empty(Bin& bin, Slab& slab, std::size_t c) {
    if (slab.room != class_slots(c)) return false;
    Slab& first = region.first_of_block(slab);
    const unsigned count = region.slabs_per_block(c);
    for (unsigned i = 0; i < count; i++) {
        const Slab& each = (&first)[i];
        if (&each == bin.current || each.room != class_slots(c)) return false;
        if (each.remote_free.load(std::memory_order_relaxed) != 0) return false;
        if (each.pending_next.load(std::memory_order_relaxed) != 0) return false;
    }
    first.generation.set(region.generation());
    for (unsigned i = 0; i < count; i++) {
        if ((&first)[i].listed) unlist(bin, (&first)[i]);
        (&first)[i].home.store(
            0, std::memory_order_release);  // pairs with relist: the generation is known first
    }
    step(Step::release_unowned);
    region.release(first);
    return true;
}

void Heap::list(Bin& bin, Slab& slab) {
    slab.listed = true;
    slab.previous = 0;
    slab.next.set(bin.first_listed);
    if (bin.first_listed != 0) region.slab(bin.first_listed).previous = region.number(slab);
    bin.first_listed = region.number(slab);
}

void Heap::unlist(Bin& bin, Slab& slab) {
    slab.listed = false;
    const SlabNumber next = slab.next.get();
    if (slab.previous != 0) {
        region.slab(slab.previous).next.set(next);
    } else {
        bin.first_listed = next;
    }
    if (next != 0) region.slab(next).previous = slab.previous;
}

void Heap::clock(std::size_t bytes) {
    clock_bytes_ += bytes;
    if (clock_bytes_ >= kTickBytes && reclaim.tick(clock_bytes_)) clock_bytes_ = 0;
}

// Threads and processes that end or begin
// ---------------------------------------------------------------------

void Heap::abandon() {
    for (unsigned c = 0; c < kClasses; c++) {
        Bin& bin = bins_[c];
        close_current(bin, c);
        for (Held held = bin.pop(); held.slot != nullptr; held = bin.pop()) {
            Slab& slab = held.slab();
            slab.free.set(slab.free.get() | held.mask());
            slab.room++;
            settle(bin, slab, c);
        }
    }
    step(Step::abandon_emptied);
}

bool Heap::is_valid() {
    for (unsigned c = 0; c < kClasses; c++) {
        Bin& bin = bins_[c];
        for (unsigned i = 0; i < bin.held(); i++) {
            const Held held = bin.held_at(i);
            const Slab& slab = held.slab();
            if (((slab.free.get() | slab.live.get()) & held.mask()) != 0) return false;
            if (heap_of(slab.home.load(std::memory_order_relaxed)) != number_) return false;
        }
        if (bin.current != nullptr) {
            const State state = region.first_of_block(*bin.current).state.load(std::memory_order_relaxed);
            if (bin.current->listed || !bin.current->is_valid() || hold_of(state) != Hold::current)
                return false;
        }
        SlabNumber previous = 0;
        for (SlabNumber number = bin.first_listed; number != 0; number = region.slab(number).next.get()) {
            const Slab& slab = region.slab(number);
            if (!slab.listed || slab.previous != previous || !slab.is_valid() || slab.size_class != c)
                return false;
            if (slab.room < offer_at(c)) return false;
            previous = number;
        }
    }
    return true;
}

// In a forked child: takes over blocks of threads that it does not have. Their lists and stacks may have been
// copied half-changed, so only the words of the slabs count: what is not live is free.
void Heap::relist(std::size_t c) {
    const std::uint32_t now = region.generation();
    for (unsigned i = 0; i < kRelistBlocks; i++) {
        Slab* const first = region.next_unlisted(c);
        if (first == nullptr) return;
        const Home home = first->home.load(std::memory_order_acquire);  // pairs with release_if_empty
        const bool nobodys = heap_of(home) == 0;
        if (nobodys ? first->generation.get() == now : !heaps.is_void(heap_of(home))) continue;

        State seen = first->state.load(std::memory_order_relaxed);
        if (hold_of(seen) != Hold::parked && generation_of(seen) != now) {
            first->state.compare_exchange_strong(seen, state_of(Hold::parked, now), std::memory_order_acq_rel,
                                                 std::memory_order_relaxed);
        }
        for (unsigned k = 0; k < region.slabs_per_block(c); k++) {
            relist_slab(first[k], c, nobodys ? 0 : home_of(epoch_of(home), number_));
        }
        if (nobodys) {
            region.release(*first);
        } else if (!release_if_empty(bins_[c], *first, c)) {
            for (unsigned k = 0; k < region.slabs_per_block(c); k++) settle(bins_[c], first[k], c);
        }
        stats.add(Figure::slabs_relisted, region.slabs_per_block(c));
    }
}

// Other threads of the child may be freeing into the slab meanwhile.
void Heap::relist_slab(Slab& slab, std::size_t c, Home home) {
    slab.size_class = static_cast<std::uint8_t>(c);
    slab.listed = false;
    slab.generation.set(region.generation());
    slab.pending_next.store(0, std::memory_order_relaxed);
    const Word freed = slab.remote_free.load(std::memory_order_acquire);
    slab.live.set(slab.live.get() & ~freed);
    slab.free.set(class_mask(c) & ~slab.live.get());
    slab.room = static_cast<std::uint8_t>(popcount(slab.free.get()));
    slab.remote_free.fetch_and(~freed, std::memory_order_acq_rel);
    settle_in(slab, home);
}

// Who frees from another thread from here on either sees the new home and queues the slab, or is seen by the
// load.
void Heap::settle_in(Slab& slab, Home home) {
    slab.home.store(home, std::memory_order_seq_cst);  // as the load: pairs with free_remote
    if (slab.remote_free.load(std::memory_order_seq_cst) != 0) enqueue_remote(slab);
}

Heap* Heaps::acquire() {
    const auto link = [this](HeapNumber number) -> Shared<HeapNumber>& { return at(number).next_abandoned_; };
    if (const HeapNumber adopted = abandoned_.pop(link); adopted != 0) {
        stats.add(Figure::heaps_adopted);
        return &at(adopted);
    }
    HeapNumber made = count_.load(std::memory_order_relaxed);
    do {
        if (made + 1 >= 1u << kHeapBits || !region.reach_heaps((made + 1) * sizeof(Heap))) return nullptr;
    } while (
        !count_.compare_exchange_weak(made, made + 1, std::memory_order_acq_rel, std::memory_order_relaxed));
    stats.add(Figure::heaps_created);
    Heap& heap = at(made + 1);
    heap.number_ = made + 1;
    return &heap;
}

void Heaps::release(Heap& heap) {
    abandoned_.push(heap.number(),
                    [this](HeapNumber number) -> Shared<HeapNumber>& { return at(number).next_abandoned_; });
}

void Heaps::begin_generation(Heap* survivor) {
    survivor_ = survivor != nullptr ? survivor->number() : 0;
    void_up_to_ = count_.load(std::memory_order_relaxed);
    abandoned_.forget();
}

}  // namespace tslab
