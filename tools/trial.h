// One run of a program, watched from outside: how it ended, what memory and time it took, and the figures
// that its processes left behind.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tools/launch.h"

namespace tool {

struct Trial {
    int wait_status = 0;
    double seconds = 0;
    double cpu_seconds = 0;
    std::uint64_t peak_bytes = 0;  // resident, over all its processes, as all below
    std::uint64_t mean_bytes = 0;
    std::uint64_t looks = 0;                       // that the mean is of
    unsigned processes = 0;                        // that left figures
    std::map<std::string, std::uint64_t> figures;  // totals of these, by name

    std::uint64_t figure(const std::string& name) const;
};

struct TrialSettings {
    double seconds = 0;       // end it with SIGTERM after so long; 0: let it run
    bool keep_output = true;  // else what it prints is thrown away
    bool gather = false;      // have it leave figures
};

// Throws where the program cannot be started.
Trial run_trial(const std::string& program, char** words, Environment environment, TrialSettings settings);

}  // namespace tool
