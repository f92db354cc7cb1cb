// Every figure that is counted as it happens, declared once. Counting is for cold paths: each is one shared
// word, and one more for each size class where `by_class` says so. Figures that follow from the slabs (live
// objects, bytes) are not counted but read off them.
#pragma once

#include "size_class.h"

namespace tslab {

// clang-format off
// kind, whether it is known by class, name, help
#define TSLAB_FIGURES(row) \
    row(counter, by_class, slabs_reopened, "slabs opened that had been released before") \
    row(counter, by_class, slabs_opened, "slabs opened for the first time") \
    row(counter, in_all, heaps_created, "heaps made") \
    row(counter, in_all, heaps_adopted, "heaps of ended threads taken over by new ones") \
    row(counter, by_class, slabs_relisted, "slabs of threads that a forked child does not have, taken over") \
    row(counter, by_class, slabs_refilled, "slabs of closed epochs taken from again") \
    row(counter, by_class, joined, "slots made of adjacent free ones of a smaller class") \
    row(counter, by_class, lent, "free slots of a larger class taken as they are") \
    row(counter, in_all, epochs_opened, "epochs of the process opened after the first") \
    row(counter, in_all, slabs_judged, "slabs opened in epochs of which it is known how many drained") \
    row(counter, in_all, slabs_drained, "of these, slabs empty two epochs after theirs had closed") \
    row(counter, by_class, forwarded_exhausted, "requests in range forwarded because no slot could be had") \
    row(counter, in_all, forwarded_below, "requests forwarded because they were too small") \
    row(counter, in_all, forwarded_above, "requests forwarded because they were too large") \
    row(counter, in_all, forwarded_aligned, "requests in range forwarded because of their alignment") \
    row(counter, by_class, slow_system_calls, "calls that made a system call") \
    row(counter, by_class, slow_new_slabs, "other calls that opened a new slab") \
    row(counter, by_class, slow_purged_slabs, "other calls that took pages that had been given back") \
    row(counter, by_class, slow_locks, "other calls that took the lock of reclaim") \
    row(counter, by_class, remote_frees, "frees by threads that do not own the slab, once the owner has collected them") \
    row(gauge, by_class, resident_pages, "pages that hold or held slots and were not given back") \
    row(counter, by_class, pages_purged, "pages given back to the kernel") \
    row(counter, by_class, pages_retaken, "pages taken again in a block of which pages had been given back") \
    row(counter, in_all, purge_calls, "system calls that gave pages back") \
    row(counter, in_all, purge_failures, "such calls the kernel refused; none follows for a while") \
    row(counter, in_all, commit_failures, "refusals to make reserved memory usable") \
    row(counter, in_all, samples_taken, "requests sampled with their call stacks") \
    row(counter, in_all, samples_dropped, "requests not sampled for want of room or of a stack") \
    row(counter, by_class, double_frees, "frees of a slot that was not live") \
    row(counter, by_class, invalid_frees, "frees inside the region of what is not a slot's start") \
    row(counter, by_class, freed_reallocs, "reallocs of a slot that was not live") \
    row(counter, by_class, invalid_reallocs, "reallocs inside the region of what is not a slot's start")
// clang-format on

enum class Figure : unsigned {
#define TSLAB_FIGURE(kind, scope, name, help) name,
    TSLAB_FIGURES(TSLAB_FIGURE)
#undef TSLAB_FIGURE
        count,
};

inline constexpr unsigned kFigures = static_cast<unsigned>(Figure::count);

enum class Scope : unsigned char { in_all, by_class };

// What makes a call a slow-path hit, the costlier the larger. A call is counted once, by its costliest.
enum SlowCause : unsigned char { kTookLock = 1, kTookPurged = 2, kOpenedNew = 4, kCalledSystem = 8 };
// What this thread has done since its last call was judged.
TSLAB_INTERNAL extern constinit thread_local unsigned char slow_causes;

class Stats {
  public:
    void add(Figure figure, std::uint64_t amount = 1) {
        word(figure).fetch_add(amount, std::memory_order_relaxed);
    }
    // Of a figure that is known by class.
    void add_in(std::size_t c, Figure figure, std::uint64_t amount = 1) {
        add(figure, amount);
        classes_[c][static_cast<unsigned>(figure)].fetch_add(amount, std::memory_order_relaxed);
    }
    void subtract_in(std::size_t c, Figure figure, std::uint64_t amount) {
        subtract(figure, amount);
        classes_[c][static_cast<unsigned>(figure)].fetch_sub(amount, std::memory_order_relaxed);
    }
    // The call that ends here asked for class c.
    void judge_call(std::size_t c) {
        if (slow_causes != 0) judge_call_slow(c);
    }
    void subtract(Figure figure, std::uint64_t amount) {
        word(figure).fetch_sub(amount, std::memory_order_relaxed);
    }
    std::uint64_t get(Figure figure) const {
        return words_[static_cast<unsigned>(figure)].load(std::memory_order_relaxed);
    }
    std::uint64_t get_in(std::size_t c, Figure figure) const {
        return classes_[c][static_cast<unsigned>(figure)].load(std::memory_order_relaxed);
    }

  private:
    TSLAB_COLD void judge_call_slow(std::size_t c);
    std::atomic<std::uint64_t>& word(Figure figure) { return words_[static_cast<unsigned>(figure)]; }

    std::atomic<std::uint64_t> words_[kFigures]{};
    std::atomic<std::uint64_t> classes_[kClasses][kFigures]{};
};

TSLAB_INTERNAL extern constinit Stats stats;

}  // namespace tslab
