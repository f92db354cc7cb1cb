// Runs a program and prints its wall time, CPU time and peak resident size, for bench/programs.
//
//   measure [--preload LIBRARY] PROGRAM [ARGUMENT]...
//
// A program of its own, because a child's peak starts at that of the process that forked it: this one is
// small. What the program prints goes to stderr; its children count as part of it.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "clock.h"

namespace {

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
    const char* preload = nullptr;
    int first = 1;
    if (argc > 2 && std::strcmp(argv[1], "--preload") == 0) {
        preload = argv[2];
        first = 3;
    }
    if (first >= argc) {
        std::fprintf(stderr, "usage: measure [--preload LIBRARY] PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    const auto before = bench::now_ns();
    const pid_t child = fork();
    if (child == 0) {
        if (preload != nullptr) setenv("LD_PRELOAD", preload, 1);
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execvp(argv[first], argv + first);
        std::fprintf(stderr, "measure: cannot run %s\n", argv[first]);
        _exit(127);
    }
    int status = -1;
    rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child) return 1;
    const double wall_s = static_cast<double>(bench::now_ns() - before) / 1e9;
    std::printf("%.6f %.6f %ld\n", wall_s, seconds(usage.ru_utime) + seconds(usage.ru_stime),
                usage.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
