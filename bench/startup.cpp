// What the preloaded library adds to a program that does nothing: /bin/true with it and without it, turn by
// turn.
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "clock.h"
#include "driver.h"
#include "kernel_view.h"
#include "objects.h"

namespace {

constexpr const char* program = "/bin/true";

pid_t start(bool preloaded, bool traced) {
    const pid_t child = fork();
    if (child < 0) bench::fail("fork failed");
    if (child == 0) {
        if (!preloaded) unsetenv("LD_PRELOAD");
        if (traced) ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
        execl(program, program, static_cast<char*>(nullptr));
        _exit(127);
    }
    return child;
}

void expect_success(pid_t child, int status) {
    if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) bench::fail("/bin/true failed");
}

double wall_ms(bool preloaded) {
    const auto before = bench::now_ns();
    const pid_t child = start(preloaded, false);
    int status = -1;
    const pid_t ended = waitpid(child, &status, 0);
    expect_success(ended, status);
    return static_cast<double>(bench::now_ns() - before) / 1e6;
}

// Stopped at its exit, the child still has its memory. What wait4 reports would include ours, from before the
// exec.
double peak_kib(bool preloaded) {
    const pid_t child = start(preloaded, true);
    int status = -1;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        bench::fail("ptrace is not permitted here");
    ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
    double peak = 0;
    for (;;) {
        ptrace(PTRACE_CONT, child, nullptr, nullptr);
        if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) break;
        if (status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXIT << 8))) {
            peak = static_cast<double>(bench::peak_resident_bytes(child)) / 1024;
        }
    }
    expect_success(child, status);
    return peak;
}

double median(bench::Table<double>& values) {
    std::sort(values.begin(), values.end());
    return values[values.count() / 2];
}

// The median of each side, and of the differences between neighbours in time.
void report(const bench::Driver& driver, std::size_t runs, double (*measure)(bool preloaded),
            const char* const metrics[3], const char* unit) {
    bench::Table<double> plain(runs), preloaded(runs), added(runs);
    measure(false);
    measure(true);
    for (std::size_t i = 0; i < runs; ++i) {
        const bool preloaded_first = i % 2 == 1;
        if (preloaded_first) preloaded[i] = measure(true);
        plain[i] = measure(false);
        if (!preloaded_first) preloaded[i] = measure(true);
        added[i] = preloaded[i] - plain[i];
    }
    driver.row(metrics[0], median(plain), unit);
    driver.row(metrics[1], median(preloaded), unit);
    driver.row(metrics[2], median(added), unit);
}

void run(bench::Driver& driver, const bench::Case&) {
    constexpr const char* wall[] = {"wall_plain", "wall_preloaded", "wall_added"};
    constexpr const char* peak[] = {"peak_plain", "peak_preloaded", "peak_added"};
    report(driver, driver.scaled(200), wall_ms, wall, "ms");
    report(driver, driver.scaled(10), peak_kib, peak, "KiB");
}

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver(
        "startup",
        "Wall time and peak resident size of /bin/true under the LD_PRELOAD this runs with, against "
        "/bin/true alone, in alternating order.");
    driver.add(run, 0, 1, "true");
    return driver.main(argc, argv);
}
