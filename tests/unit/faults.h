// The kernel's answers under the tests' control, and what was written to stderr.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "core/os.h"

namespace tslab::test {

// The next `skip` calls succeed, and of those behind them `fail` fail.
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

// While set, called where memory is about to be made usable.
inline void (*before_commit)() = nullptr;

// The clock goes on by so much whenever it is read, and never by itself: no test turns on how fast it runs.
inline std::atomic<std::uint64_t> clock_step_ms = 100;
struct ClockStands {
    const std::uint64_t step_before = clock_step_ms.exchange(0);
    ~ClockStands() { clock_step_ms = step_before; }
};
// On a clock that stands.
inline void let_pass(std::uint64_t ms) {
    clock_step_ms = ms;
    os::monotonic_ms();
    clock_step_ms = 0;
}

// While set, lines of ours go here and not to stderr.
inline std::string* captured_lines = nullptr;

}  // namespace tslab::test
