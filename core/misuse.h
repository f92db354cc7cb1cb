// A pointer inside our region that the program may not free or realloc: counted, and answered as
// TSLAB_ON_MISUSE says. Nothing has been changed when these are called.
#pragma once

#include "stats.h"

namespace tslab {

// clang-format off
// kind, the figure that counts it, what the program did
#define TSLAB_MISUSES(row) \
    row(double_free, double_frees, "double free of ") \
    row(invalid_free, invalid_frees, "invalid free of ") \
    row(freed_realloc, freed_reallocs, "realloc of freed ") \
    row(invalid_realloc, invalid_reallocs, "invalid realloc of ")
// clang-format on

enum class Misuse : unsigned {
#define TSLAB_MISUSE(kind, figure, words) kind,
    TSLAB_MISUSES(TSLAB_MISUSE)
#undef TSLAB_MISUSE
};

TSLAB_COLD void report_misuse(Misuse kind, std::size_t c, const void* pointer);

std::uint64_t misuses_counted();

}  // namespace tslab
