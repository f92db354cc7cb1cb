// A process made by clone(CLONE_VM) shares our heap under another process id: it allocates and frees there
// while its parent waits, and threads of the parent go on meanwhile.
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "busy.h"

enum { objects = 300 };
static void *by_parent[objects], *by_child[objects];

static int child_main(void* unused) {
    (void)unused;
    for (size_t i = 0; i < objects; ++i) {
        if (!holds(by_parent[i], 64 + i, i)) return 1;
        free(by_parent[i]);
        by_child[i] = make(64 + i, i + 1);
    }
    return 0;
}

int main(void) {
    probe_start();
    end_if_stuck();
    size_t stack_size = 256 * 1024;
    char* stack =
        mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    CHECK(stack != MAP_FAILED);
    pthread_t threads[] = {start(busy_run, 1), start(busy_run, 2)};
    for (int round = 0; round < 20; ++round) {
        for (size_t i = 0; i < objects; ++i) by_parent[i] = make(64 + i, i);
        int status = 0;
        pid_t child = clone(child_main, stack + stack_size, CLONE_VM | SIGCHLD, NULL);
        CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
              WEXITSTATUS(status) == 0);
        for (size_t i = 0; i < objects; ++i) {
            CHECK(holds(by_child[i], 64 + i, i + 1));
            free(by_child[i]);
        }
    }
    atomic_store(&busy_stop, 1);
    join(threads[0]), join(threads[1]);
    table_empty();
    return 0;
}
