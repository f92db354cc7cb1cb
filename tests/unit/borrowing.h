// Memory that one size does not need any more, for another one to borrow.
#pragma once

#include <algorithm>

#include "residency.h"

namespace tslab::test {

inline void exceed_budget(std::size_t bytes) {
    options.budget = {0};
    pass_once();
    REQUIRE(reclaim.is_over_budget(class_of(bytes)));
}

// Slots of this size, of closed slabs, less those that `is_free(slot)` says. There is more free memory than
// the budget.
template <typename IsFree>
std::vector<void*> leave_free(std::size_t count, std::size_t bytes, IsFree is_free) {
    options.epoch_bytes = kTiB;
    std::vector<void*> kept;
    auto slots = get_many(count, bytes);
    epochs.advance();
    own_heap().renew();
    for (void* slot : slots) {
        if (is_free(slot)) {
            put(slot);
        } else {
            kept.push_back(slot);
        }
    }
    exceed_budget(bytes);
    return kept;
}
// Of each eight adjacent ones the first three are free.
inline std::vector<void*> leave_threes_free(std::size_t count, std::size_t bytes) {
    return leave_free(count, bytes, [](const void* slot) { return region.locate(slot).slot % 8 < 3; });
}

inline bool is_borrowed(const void* slot, std::size_t of_bytes) {
    return region.locate(slot).size_class == class_of(of_bytes);
}

// Allocates as long as slots of that size serve.
inline std::vector<void*> get_borrowed(std::size_t bytes, std::size_t of_bytes) {
    std::vector<void*> borrowed;
    for (;;) {
        void* const slot = get(bytes);
        REQUIRE((slot != nullptr && borrowed.size() < 100'000));
        if (!is_borrowed(slot, of_bytes)) {
            put(slot);
            return borrowed;
        }
        borrowed.push_back(slot);
        std::memset(slot, 0xa5, bytes);
    }
}

inline bool all_hold(const std::vector<void*>& slots, std::size_t bytes, int content) {
    return std::all_of(slots.begin(), slots.end(), [&](const void* slot) {
        const auto* const at = static_cast<const unsigned char*>(slot);
        return std::all_of(at, at + bytes, [&](unsigned char byte) { return byte == content; });
    });
}

}  // namespace tslab::test
