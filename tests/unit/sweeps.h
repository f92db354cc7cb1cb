// Sweeps, as many as a test wants, and frees that make none.
#pragma once

#include "core/reclaim.h"
#include "support.h"

namespace tslab::test {

struct CallBytes {
    using Type = std::size_t Reclaim::*;
    friend Type member(CallBytes);
};
template struct Open<CallBytes, &Reclaim::call_bytes_>;

struct Patience {
    using Type = unsigned Reclaim::*;
    friend Type member(Patience);
};
template struct Open<Patience, &Reclaim::patience_>;

struct Settle {
    using Type = void (Heap::*)(Slab&, std::size_t);
    friend Type member(Settle);
};
template struct Open<Settle, &Heap::settle>;

inline void sweep_once() {
    const auto sweeps = reclaim.sweeps();
    for (unsigned i = 0; reclaim.sweeps() == sweeps; i++) {
        REQUIRE(i < kMostTicks);
        reclaim.tick(kLeastPassBytes, 0);
    }
}

// Every pass is a sweep again, whatever was in vain before.
inline void forget_what_was_in_vain() {
    options.reclaim = Reclaiming::eager;
    sweep_once();
    options.reclaim = Reclaiming::normal;
}

// Into its slab without ticking: as where the stack is full and nobody refills.
inline void free_quietly(void* slot) {
    const Place place = region.locate(slot);
    place.slab->take_back(place.mask());
    (own_heap().*member(Settle{}))(*place.slab, place.size_class);
}

}  // namespace tslab::test
