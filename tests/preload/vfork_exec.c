// A vfork child allocates and frees on its parent's heap before it execs, and the parent goes on with that
// heap; posix_spawn and system work beside busy threads.
#include <spawn.h>
#include <sys/wait.h>

#include "busy.h"

extern char** environ;

static void *by_parent[100], *by_child[100];

// Not in main: it shares the stack with its parent, which waits.
__attribute__((noinline, noreturn)) static void live_in_child(void) {
    for (size_t i = 0; i < 100; ++i) {
        by_child[i] = make(64 + i * 7, i + 1);
        free(by_parent[i]);
    }
    execl("/bin/true", "true", (char*)NULL);
    _exit(127);
}

int main(void) {
    probe_start();
    end_if_stuck();
    pthread_t threads[] = {start(busy_run, 1), start(busy_run, 2)};
    for (int round = 0; round < 20; ++round) {
        for (size_t i = 0; i < 100; ++i) by_parent[i] = make(64 + i * 7, i);
        pid_t child = vfork();
        if (child == 0) live_in_child();
        wait_for(child, 0);
        for (size_t i = 0; i < 100; ++i) {
            CHECK(holds(by_child[i], 64 + i * 7, i + 1));
            free(by_child[i]);
        }
        char* const arguments[] = {"false", NULL};
        CHECK(posix_spawn(&child, "/bin/false", NULL, NULL, arguments, environ) == 0);
        wait_for(child, 1);
    }
    CHECK(system("exit 7") == 7 << 8);
    atomic_store(&busy_stop, 1);
    join(threads[0]), join(threads[1]);
    table_empty();
    return 0;
}
