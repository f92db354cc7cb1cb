// Resident memory as the kernel counts it, read without allocating.
#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "objects.h"

namespace bench {

// The bytes in the line of a /proc file that starts with `key`, where the line counts in kB.
inline std::size_t bytes_in_proc_file(const char* path, const char* key) {
    static char text[16384];
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    if (length <= 0) fail("a file under /proc cannot be read");
    text[length] = '\0';
    const char* line = std::strstr(text, key);
    if (line == nullptr) fail("a file under /proc lacks a line");
    return std::strtoul(line + std::strlen(key), nullptr, 10) * 1024;
}

// The exact sum over all mappings; the counters in status and statm lag behind.
inline std::size_t resident_bytes() { return bytes_in_proc_file("/proc/self/smaps_rollup", "\nRss:"); }

// The peak of another process, while it still has its memory.
inline std::size_t peak_resident_bytes(pid_t process) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/status", static_cast<int>(process));
    return bytes_in_proc_file(path, "\nVmHWM:");
}

}  // namespace bench
