// Two threads are the first of their process to ask for what the next allocator serves, both at once. glibc's
// makes itself ready in its first call, which it expects of a process with one thread: making the second
// allocates. That allocation is one we serve.
#include "busy.h"

static atomic_int ready;

static void* ask(void* unused) {
    (void)unused;
    ++ready;
    while (ready < 2) continue;
    void* objects[8];
    for (size_t i = 0; i < 8; ++i) {
        objects[i] = hide(malloc(1000 + i));
        CHECK(objects[i] != NULL && !is_ours(objects[i]));
        fill(objects[i], 1000 + i, i);
    }
    for (size_t i = 0; i < 8; ++i) {
        CHECK(holds(objects[i], 1000 + i, i));
        free(objects[i]);
    }
    return NULL;
}

int main(void) {
    probe_start();
    for (int round = 0; round < 100; ++round) {
        pid_t child = fork();
        if (child == 0) {
            pthread_t threads[] = {start(ask, 0), start(ask, 0)};
            join(threads[0]), join(threads[1]);
            _exit(0);
        }
        wait_for(child, 0);
    }
    return 0;
}
