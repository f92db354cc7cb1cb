// Other processes, as /proc shows them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tool {

struct Process {
    pid_t pid;
    std::string name;
    std::string library;    // the file it has mapped; empty where it has none
    std::string telemetry;  // the file of ours it has mapped, as this process can open it; empty where none
};

// All that have the library mapped, by number. Those whose map may not be read are not among them.
std::vector<Process> processes_with_library();

// Null where there is no such process, or its map may not be read.
std::optional<Process> look_at(pid_t pid);

// Whether slots are reserved in it, which is so exactly where the library is active.
bool has_reservation(pid_t pid);

bool is_alive(pid_t pid);

// Whether the path's file is a build of the library, by its name.
bool names_library(const std::string& path);

// Field 22 of /proc/PID/stat; 0 where there is none, or the process has ended.
std::uint64_t start_time(pid_t pid);

// Resident now, of the process; 0 where it has ended.
std::uint64_t resident_bytes(pid_t pid);

// The process and what descends from it now.
std::vector<pid_t> tree_of(pid_t pid);

}  // namespace tool
