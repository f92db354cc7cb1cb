// The kernel's own view of the region: which of its pages have memory.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include "support.h"

namespace tslab::test {

// Resident bytes of the slots of every opened slab, by mincore(2).
inline std::size_t resident_by_kernel() {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    std::size_t total = 0;
    for (unsigned c = 0; c < kClasses; c++) {
        const std::uint32_t opened = region.opened(c);
        if (opened == 0) continue;
        const std::size_t bytes = round_up(std::size_t{opened} * class_span(c), page);
        std::vector<unsigned char> pages(bytes / page);
        REQUIRE(mincore(region.slots_of(region.slab_at(c, 0)), bytes, pages.data()) == 0);
        for (unsigned char present : pages) total += (present & 1) != 0 ? page : 0;
    }
    return total;
}

// Pages that trim() has to leave, in bytes: those of a slot that is not free, and those of current blocks.
inline std::size_t occupied_bytes() {
    std::size_t pages = 0;
    for (unsigned c = 0; c < kClasses; c++) {
        for (std::uint32_t i = 0; i < region.opened(c); i += region.slabs_per_block(c)) {
            Word needed = 0;
            for (unsigned k = 0; k < region.slabs_per_block(c); k++) {
                needed |= class_mask(c) & ~region.slab_at(c, i + k).unused();
            }
            const Slab& first = region.slab_at(c, i);
            const bool current = hold_of(first.state.load()) == Hold::current;
            pages += popcount(region.pages_under(c, needed) | (current ? first.resident.get() : 0u));
        }
    }
    return pages * region.page_bytes();
}

inline std::size_t resident_by_figure() { return figure(Figure::resident_pages) * region.page_bytes(); }

}  // namespace tslab::test
