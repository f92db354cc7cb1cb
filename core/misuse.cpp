#include "misuse.h"

#include "options.h"
#include "os.h"
#include "print.h"

namespace tslab {

namespace {

struct Row {
    Figure figure;
    const char* words;
};

constexpr Row kRows[] = {
#define TSLAB_ROW(kind, figure, words) {Figure::figure, words},
    TSLAB_MISUSES(TSLAB_ROW)
#undef TSLAB_ROW
};

constinit std::atomic<bool> said[sizeof kRows / sizeof kRows[0]];

}  // namespace

void report_misuse(Misuse kind, std::size_t c, const void* pointer) {
    const auto row = static_cast<unsigned>(kind);
    stats.add_in(c, kRows[row].figure);
    if (options.on_misuse == OnMisuse::ignore) return;
    const bool fatal = options.on_misuse == OnMisuse::abort;
    if (!said[row].exchange(true, std::memory_order_relaxed) || fatal) {
        Line().text(kRows[row].words).pointer(pointer).text(fatal ? ": aborting" : " ignored").send();
    }
    if (fatal) os::stop();
}

std::uint64_t misuses_counted() {
    std::uint64_t total = 0;
    for (const Row& row : kRows) total += stats.get(row.figure);
    return total;
}

}  // namespace tslab
