// Larger slots made of smaller ones: where sizes shift, what one class does not need any more serves another.
//
// Adjacent free slots of a closed slab become one, of whose slots the first is held and then live, and the
// others are its tails. What is freed there goes back to the slab, never to a stack, and comes apart: its
// slots are again free ones of their own class.
#include "heap.h"
#include "reclaim.h"

namespace tslab {

// Of the class that needs the fewest first: those are found most often.
bool Heap::refill_by_joining(std::size_t c) {
    unsigned tries = 0;
    std::uint32_t classes = joinable_classes.of[c] & reclaim.over_budget();
    while (classes != 0 && tries < kJoinTries) {
        const unsigned s = log2_floor(classes);
        classes &= ~(std::uint32_t{1} << s);
        for (unsigned i = 0; i < kJoinTriesEach && tries < kJoinTries; i++, tries++) {
            Slab* const slab = next_to_join(s);
            if (slab == nullptr) break;
            BoundedCall::did(Work::slab_visit);
            if (join_in(*slab, s, c)) return true;
        }
    }
    return false;
}

// The closed slabs of a class in turn, the fullest of their lists first.
Slab* Heap::next_to_join(std::size_t s) {
    const SlabNumber(&first)[kLists] = own_[s].first;
    SlabNumber& next = joining_[s];
    const auto is_closed = [&](const Slab& slab) {
        return heap_of(slab.home.load(std::memory_order_relaxed)) == number_ && slab.size_class.get() == s &&
               slab.listed > 1;
    };
    if (next == 0 || !is_closed(region.slab(next))) {  // it has changed since
        next = 0;
        for (unsigned which = 1; next == 0 && which < kLists; which++) next = first[which];
        if (next == 0) return nullptr;
    }
    Slab& slab = region.slab(next);
    next = slab.next.get();
    for (unsigned which = slab.listed; next == 0 && which < kLists; which++) next = first[which];
    return &slab;
}

// Fills the stack of class c from a listed slab of class s. False where that has no such slots.
bool Heap::join_in(Slab& slab, std::size_t s, std::size_t c) {
    const unsigned length = slots_to_join(s, c);
    Slab& first = region.first_of_block(slab);
    if (slab.room.get() < length || !first.become_current(region.generation())) return false;
    step(Step::open_claimed);
    const Word ready = ready_slots(slab, s);
    Word starts = ready & slots_aligned_for(s, c);
    for (unsigned i = 1; i < length; i++) starts &= ready >> i;
    Word heads = 0;
    Word all = 0;
    unsigned count = 0;
    for (; starts != 0 && count < kUsualStackSlots / 2; count++) {
        const unsigned at = lowest(starts);
        heads |= bit(at);
        all |= low_bits(length) << at;
        starts &= ~low_bits(at + length);
    }
    own_[c].put_above(region.slots_of(slab), class_size(s), slab, heads, count);
    if (count != 0) {
        slab.join(heads, all, c);
        bring_in(own_, slab, s);
    }
    step(Step::take_free);
    first.park(region.generation());
    if (ready == 0 || slab.room.get() == 0) {
        unlist(own_[s], slab);  // it waits for its next free
    } else {
        settle(slab, s);
    }
    if (count == 0) return false;
    own_[c].take_in(count);
    stats.add_in(c, Figure::joined, count);
    note_recycled(c, count);
    clock(count * class_size(c), 0);
    return true;
}

}  // namespace tslab
