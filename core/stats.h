// Every figure that is counted as it happens, declared once. Counting is for cold paths: each is one shared
// word. Figures that follow from the slabs (live objects, bytes) are not counted but read off them.
#pragma once

#include "base.h"

namespace tslab {

// clang-format off
// name, help
#define TSLAB_FIGURES(row) \
    row(slabs_reopened, "slabs opened that had been released before") \
    row(slabs_opened, "slabs opened for the first time") \
    row(heaps_created, "heaps made") \
    row(heaps_adopted, "heaps of ended threads taken over by new ones") \
    row(slabs_relisted, "slabs of threads that a forked child does not have, taken over") \
    row(slabs_refilled, "slabs of closed epochs taken from again") \
    row(epochs_opened, "epochs of the process opened after the first") \
    row(slabs_judged, "slabs opened in epochs of which it is known how many drained") \
    row(slabs_drained, "of these, slabs empty two epochs after theirs had closed") \
    row(exhausted, "requests in range forwarded because no slot could be had") \
    row(resident_pages, "pages that hold or held slots and were not given back") \
    row(pages_purged, "pages given back to the kernel") \
    row(pages_retaken, "pages taken again in a block of which pages had been given back") \
    row(purge_calls, "system calls that gave pages back") \
    row(purge_failures, "such calls the kernel refused; the first ends purging") \
    row(commit_failures, "refusals to make reserved memory usable") \
    row(samples_taken, "requests sampled with their call stacks") \
    row(samples_dropped, "requests that were to be sampled and for which there was no room or no stack") \
    row(double_frees, "frees of a slot that was not live") \
    row(invalid_frees, "frees inside the region of what is not a slot's start") \
    row(freed_reallocs, "reallocs of a slot that was not live") \
    row(invalid_reallocs, "reallocs inside the region of what is not a slot's start")
// clang-format on

enum class Figure : unsigned {
#define TSLAB_FIGURE(name, help) name,
    TSLAB_FIGURES(TSLAB_FIGURE)
#undef TSLAB_FIGURE
        count,
};

class Stats {
  public:
    void add(Figure figure, std::uint64_t amount = 1) {
        word(figure).fetch_add(amount, std::memory_order_relaxed);
    }
    void subtract(Figure figure, std::uint64_t amount) {
        word(figure).fetch_sub(amount, std::memory_order_relaxed);
    }
    std::uint64_t get(Figure figure) const {
        return words_[static_cast<unsigned>(figure)].load(std::memory_order_relaxed);
    }

  private:
    std::atomic<std::uint64_t>& word(Figure figure) { return words_[static_cast<unsigned>(figure)]; }

    std::atomic<std::uint64_t> words_[static_cast<unsigned>(Figure::count)]{};
};

TSLAB_INTERNAL extern constinit Stats stats;

}  // namespace tslab
