// The figures that people ask for, of one snapshot, by the names they have in the telemetry file; and how
// numbers are written for people.
#pragma once

#include <string>

#include "tools/telemetry.h"

namespace tool {

struct Figures {
    std::uint64_t served = 0;  // requests
    std::uint64_t slow_path_hits = 0;
    std::uint64_t live_bytes = 0;  // of slots
    std::uint64_t resident_bytes = 0;
    std::uint64_t pinned_bytes = 0;  // resident in closed epochs without being live
    struct Times {
        std::uint64_t timed = 0;  // calls
        std::uint64_t p50_ns = 0;
        std::uint64_t p99_ns = 0;
        std::uint64_t p99_99_ns = 0;
    };
    Times malloc;
    Times free;

    double slow_path_share() const;  // of served requests
};

Figures figures_of(const Snapshot& snapshot);

double ratio(std::uint64_t part, std::uint64_t whole);  // 0 where the whole is

std::string bytes_text(std::uint64_t bytes);  // 3 or 4 digits and a unit: 812B, 4.1K, 17.3M
std::string count_text(double count);         // the same in thousands: 950, 12.4k, 1.2M
std::string time_text(std::uint64_t ns);      // 80ns, 1.2us, 15ms
std::string percent_text(double share);       // 0.3%

}  // namespace tool
