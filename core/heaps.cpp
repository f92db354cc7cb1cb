// How heaps come and go: what a thread leaves when it ends, what a forked child takes over, and whether a
// heap is as it should be.
#include "heap.h"

namespace tslab {

constinit Heaps heaps;

void Heap::empty(Bins& bins) {
    for (unsigned c = 0; c < kClasses; c++) {
        Bin& bin = bins[c];
        close_current(bin, c);
        for (Held held = bin.pop(); held.slot != nullptr; held = bin.pop()) {
            Slab& slab = held.slab();
            slab.take_back(held.mask());
            settle(slab, slab.size_class.get());
        }
    }
}

void Heap::close_listed(Bins& bins) {
    for (unsigned c = 0; c < kClasses; c++) {
        while (bins[c].first[0] != 0) {
            Slab& slab = region.slab(bins[c].first[0]);
            unlist(bins[c], slab);
            list(own_[c], slab, list_for(own_, slab));
        }
    }
}

void Heap::abandon() {
    empty(own_);
    step(Step::abandon_emptied);
}

bool Heap::is_valid() {
    for (unsigned c = 0; c < kClasses; c++) {
        Bin& bin = (*in_force_)[c];
        for (unsigned i = 0; i < bin.held(); i++) {
            const Held held = bin.held_at(i);
            const Slab& slab = held.slab();
            if ((slab.free.get() & held.mask()) != 0 || held.live->get() != 0) return false;
            if (heap_of(slab.home.load(std::memory_order_relaxed)) != number_) return false;
        }
        if (bin.current != nullptr) {
            const State state = region.first_of_block(*bin.current).state.load(std::memory_order_relaxed);
            if (bin.current->listed != 0 || !bin.current->is_valid() || hold_of(state) != Hold::current)
                return false;
        }
        for (unsigned which = 0; which < kLists; which++) {
            if (!list_is_valid(bin, which, c)) return false;
        }
    }
    return true;
}

bool Heap::list_is_valid(const Bin& bin, unsigned which, std::size_t c) const {
    SlabNumber previous = 0;
    for (SlabNumber number = bin.first[which]; number != 0; number = region.slab(number).next.get()) {
        const Slab& slab = region.slab(number);
        if (slab.listed != which + 1 || slab.previous != previous) return false;
        if (which != 0 && closed_list(slab.room.get()) != which) return false;
        if (!slab.is_valid() || slab.size_class.get() != c || slab.room.get() == 0) return false;
        if (heap_of(slab.home.load(std::memory_order_relaxed)) != number_) return false;
        previous = number;
    }
    return true;
}

// In a forked child: takes over blocks of threads that it does not have. Their lists and stacks may have been
// copied half-changed, so only the words of the slabs count: what is not live is free. Whether there were
// any.
bool Heap::relist(std::size_t c) {
    const std::uint32_t now = region.generation();
    for (unsigned i = 0; i < kRelistBlocks; i++) {
        BoundedCall::did(Work::slab_visit);
        Slab* const first = region.next_unlisted(c);
        if (first == nullptr) return i > 0;
        const Home home = first->home.load(std::memory_order_acquire);  // pairs with release_if_empty
        const bool nobodys = heap_of(home) == 0;
        if (nobodys ? first->generation.get() == now : !heaps.is_void(heap_of(home))) continue;

        State seen = first->state.load(std::memory_order_relaxed);
        if (hold_of(seen) != Hold::parked && generation_of(seen) != now) {
            // Acquire pairs with park.
            first->state.compare_exchange_strong(seen, state_of(Hold::parked, now), std::memory_order_acquire,
                                                 std::memory_order_relaxed);
        }
        for (unsigned k = 0; k < region.slabs_per_block(c); k++) {
            relist_slab(first[k], c, home_of(epoch_of(home), 0, nobodys ? 0 : number_));
        }
        if (!nobodys) add_slabs(c, region.slabs_per_block(c));
        if (nobodys) {
            region.release(*first);
        } else if (!release_if_empty(own_[c], *first, c)) {
            for (unsigned k = 0; k < region.slabs_per_block(c); k++) settle(first[k], c);
        }
        stats.add_in(c, Figure::slabs_relisted, region.slabs_per_block(c));
    }
    return true;
}

// Other threads of the child may be freeing into the slab meanwhile.
void Heap::relist_slab(Slab& slab, std::size_t c, Home home) {
    slab.size_class.set(static_cast<std::uint8_t>(c));
    slab.listed = 0;
    slab.generation.set(region.generation());
    slab.pending_next.store(0, std::memory_order_relaxed);
    const Word freed = slab.remote_free.load(std::memory_order_acquire);
    remote_frees[c].set(remote_frees[c].get() + popcount(freed & slab.live.get()));
    slab.live.clear(freed);
    slab.tails.set(static_cast<std::uint8_t>(popcount(slab.live.tails())));
    const Word live = slab.live.get();
    const Word used = slab.joined(live);
    slab.live.clear(~used);  // tails of slots that nobody has
    slab.tails.set(static_cast<std::uint8_t>(popcount(used & ~live)));
    const Word free = class_mask(c) & ~used;
    slab.set_free(free, popcount(free));
    slab.remote_free.fetch_and(~freed, std::memory_order_acq_rel);  // as in fold: pairs with free_remote
    settle_in(slab, home);
}

std::uint64_t Heap::slabs() const {
    std::uint64_t sum = 0;
    for (const Shared<std::uint32_t>& of_class : slabs_) sum += of_class.get();
    return sum;
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
    heap.in_force_ = &heap.own_;
    return &heap;
}

void Heaps::release(Heap& heap) {
    const auto link = [this](HeapNumber number) -> Shared<HeapNumber>& { return at(number).next_abandoned_; };
    const HeapNumber top = abandoned_.top();
    const bool is_fuller = top != 0 && at(top).slabs() > heap.slabs();
    const HeapNumber fuller = is_fuller ? abandoned_.pop(link) : 0;
    for (const HeapNumber number : {heap.number(), fuller})
        if (number != 0) abandoned_.push(number, link, [&] { return !is_void(number); });
}

void Heaps::begin_generation(Heap* survivor) {
    survivor_ = survivor != nullptr ? survivor->number() : 0;
    void_up_to_ = count_.load(std::memory_order_relaxed);
    abandoned_.forget();
}

}  // namespace tslab
