// Slots of other classes: where sizes shift, what one class does not need any more serves another.
//
// Of a closed slab of a smaller class, adjacent free slots are joined to one: the first is held and then
// live, the others are its tails. Of one of a larger class, a free slot is lent as it is. Either way the slab
// is retired, so what is freed there goes back to it and is of its own class again: what was joined comes
// apart. Once its own class takes from it, it is retired only where it still has joined slots; what was lent
// is then freed to that class's stack.
#include <string.h>

#include "heap.h"
#include "reclaim.h"

namespace tslab {

// First of smaller classes, of which the fewest are needed: such are found most often. Then of the larger
// ones, which lose the least if they are little larger.
bool Heap::refill_by_borrowing(std::size_t c) {
    const std::uint32_t lenders = lenders_to.of[c] & reclaim.over_budget();
    std::uint32_t smaller = lenders & static_cast<std::uint32_t>(low_bits(static_cast<unsigned>(c)));
    std::uint32_t larger = lenders & ~smaller;
    unsigned tries = 0;
    while ((smaller | larger) != 0 && tries < kBorrowTries) {
        const unsigned s = smaller != 0 ? log2_floor(smaller) : lowest(larger);
        (s < c ? smaller : larger) &= ~(std::uint32_t{1} << s);
        for (unsigned i = 0; i < kBorrowTriesEach && tries < kBorrowTries; i++, tries++) {
            Slab* const slab = next_to_lend(s);
            if (slab == nullptr) break;
            BoundedCall::did(Work::slab_visit);
            if (borrow_from(*slab, s, c)) return true;
        }
    }
    return false;
}

// The closed slabs of a class in turn, the fullest of their lists first.
Slab* Heap::next_to_lend(std::size_t s) {
    const SlabNumber(&first)[kLists] = own_[s].first;
    SlabNumber& next = lending_[s];
    const auto is_closed = [&](const Slab& slab) {
        return heap_of(slab.home.load(std::memory_order_relaxed)) == number_ && slab.listed > 1;
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
bool Heap::borrow_from(Slab& slab, std::size_t s, std::size_t c) {
    const unsigned length = slots_to_borrow(s, c);
    Slab& first = region.first_of_block(slab);
    if (slab.room.get() < length || !first.become_current(region.generation())) return false;
    step(Step::open_claimed);
    const Word ready = ready_slots(slab, s);
    Word starts = ready & slots_aligned_for(s, c);
    for (unsigned i = 1; i < length; i++) starts &= ready >> i;
    std::byte* const slots = region.slots_of(slab);
    Word heads = 0;
    Word all = 0;
    unsigned count = 0;
    for (; starts != 0 && count < kUsualStackSlots / 2; count++) {
        const unsigned at = lowest(starts);
        heads |= bit(at);
        all |= low_bits(length) << at;
        starts &= ~low_bits(at + length);
        // calloc clears as much as the class has, and the program sees all of the slot.
        if (s > c) memset(slots + at * class_size(s) + class_size(c), 0, class_size(s) - class_size(c));
    }
    own_[c].put_above(slots, class_size(s), slab, heads, count);
    if (count != 0) {
        bring_in(own_, slab, s);
        slab.join(heads, all, c);
    }
    step(Step::take_free);
    first.park(region.generation());
    if (ready == 0 || slab.room.get() == 0) {
        unlist(own_[s], slab);  // it waits for its next free
    } else {
        settle(slab, s);
    }
    if (count == 0) return false;
    own_[c].hold_at_most(stack_slots(c));
    own_[c].take_in(count);
    stats.add_in(c, s < c ? Figure::joined : Figure::lent, count);
    note_recycled(c, count);
    clock(count * class_size(c), 0);
    return true;
}

}  // namespace tslab
