#include "tools/figures.h"

#include <cstdio>
#include <initializer_list>
#include <utility>

namespace tool {
namespace {

std::string scaled_text(double value, double step, const char* const (&units)[6]) {
    unsigned unit = 0;
    while (value >= 999.5 && unit < 5) {
        value /= step;
        unit++;
    }
    char text[32];
    std::snprintf(text, sizeof text, unit == 0 || value >= 99.95 ? "%.0f%s" : "%.1f%s", value, units[unit]);
    return text;
}

}  // namespace

double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

double Figures::slow_path_share() const { return ratio(slow_path_hits, served); }

Figures figures_of(const Snapshot& snapshot) {
    Figures figures;
    figures.served = snapshot.total("served");
    figures.slow_path_hits = snapshot.total("slow_path_hits");
    figures.live_bytes = snapshot.total("live_bytes");
    figures.resident_bytes = snapshot.total("resident_bytes");
    for (const auto& [name, times] : {std::pair("malloc", &figures.malloc), {"free", &figures.free}}) {
        const std::string call = name;
        *times = {snapshot.total(call + "_timed"), snapshot.total(call + "_p50_ns"),
                  snapshot.total(call + "_p99_ns"), snapshot.total(call + "_p99_99_ns")};
    }
    const Table& epochs = snapshot.table("epochs");
    for (std::size_t row = 0; row < epochs.rows(); row++) {
        if (epochs.number(row, "open") != 0) continue;
        const std::uint64_t resident = epochs.number(row, "resident_bytes");
        const std::uint64_t live = epochs.number(row, "live_bytes");
        if (resident > live) figures.pinned_bytes += resident - live;
    }
    return figures;
}

std::string bytes_text(std::uint64_t bytes) {
    return scaled_text(static_cast<double>(bytes), 1024, {"B", "K", "M", "G", "T", "P"});
}

std::string count_text(double count) { return scaled_text(count, 1000, {"", "k", "M", "G", "T", "P"}); }

std::string time_text(std::uint64_t ns) {
    return scaled_text(static_cast<double>(ns), 1000, {"ns", "us", "ms", "s", "ks", "Ms"});
}

std::string percent_text(double share) {
    char text[16];
    std::snprintf(text, sizeof text, share > 0 && share < 0.001 ? "%.2f%%" : "%.1f%%", 100 * share);
    return text;
}

}  // namespace tool
