// The kernel's answers under the tests' control, and what was written to stderr.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tslab::test {

// The n-th call from now fails (1 is the next one), and so does every one after it until `calls` have; 0 ends
// it.
struct Fault {
    int skip = 0;
    int fail = 0;

    bool strikes() {
        if (fail == 0) return false;
        if (skip > 0) {
            skip--;
            return false;
        }
        fail--;
        return true;
    }
};

inline Fault reserve_fault;
inline Fault commit_fault;
inline Fault give_back_fault;

// How far the clock goes on whenever it is read: no test turns on how fast it runs.
inline std::atomic<std::uint64_t> clock_step_ms = 1000;

// While set, lines of ours go here and not to stderr.
inline std::string* captured_lines = nullptr;

}  // namespace tslab::test
