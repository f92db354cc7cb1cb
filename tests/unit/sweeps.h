// Sweeps, as many as a test wants.
#pragma once

#include "core/reclaim.h"
#include "support.h"

namespace tslab::test {

inline void sweep_once() {
    for (const auto sweeps = reclaim.sweeps(); reclaim.sweeps() == sweeps;) reclaim.tick(kLeastPassBytes, 0);
}

// Every pass is a sweep again, whatever was in vain before.
inline void forget_what_was_in_vain() {
    options.reclaim = Reclaiming::eager;
    sweep_once();
    options.reclaim = Reclaiming::normal;
}

}  // namespace tslab::test
