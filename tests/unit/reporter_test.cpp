// The files of a process that reports are its own, whatever children it has. Each test is a process of its
// own, which publishes once.
#include "core/reporter.h"

#include <signal.h>
#include <sys/syscall.h>

#include <filesystem>

#include "core/telemetry.h"
#include "core/watch.h"
#include "support.h"

using namespace tslab;
using namespace tslab::test;

namespace {

// Publishes into a folder of its own.
struct Publishing {
    char folder[32] = "/tmp/tslab-reporter-XXXXXX";

    Publishing() {
        start_core();
        REQUIRE(mkdtemp(folder) != nullptr);
        std::strcpy(options.telemetry.text, folder);
        reporter.start("test");
    }
    ~Publishing() { std::filesystem::remove_all(folder); }

    bool has_file(pid_t process) const {
        return std::filesystem::exists(folder + ("/tslab." + std::to_string(process)));
    }
};

// As calls of the program do.
void glance() { after_tick.load()(); }

}  // namespace

TEST_CASE("a signal handler that forks in the middle of publishing leaves each process its file",
          "[reporter]") {
    in_child([] {
        const Publishing publishing;
        static pid_t child = -1;
        static bool raised = false;
        const pid_t self = getpid();
        signal(SIGUSR1, [](int) { child = fork(); });
        step_hook = [](Step at) {
            if (at != Step::rows_published || raised) return;
            raised = true;
            raise(SIGUSR1);
        };
        while (!raised) glance();
        if (child == 0) {
            while (!publishing.has_file(getpid())) glance();
            reporter.end();
            _exit(publishing.has_file(self) ? 0 : 1);
        }
        if (child < 0 || !ends_well(child)) return 2;
        reporter.end();
        return publishing.has_file(self) ? 3 : 0;
    });
}

TEST_CASE("a child that libc has not made its own process leaves its parent's file alone", "[reporter]") {
    in_child([] {
        const Publishing publishing;
        const pid_t child = vfork();
        if (child == 0) {
            glance();
            _exit(0);
        }
        if (!ends_well(child) || publishing.has_file(child)) return 1;
        glance();
        const auto raw_child = static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
        if (raw_child == 0) {
            reporter.end();
            _exit(0);
        }
        return ends_well(raw_child) && publishing.has_file(getpid()) ? 0 : 2;
    });
}
