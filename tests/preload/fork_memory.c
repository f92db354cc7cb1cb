// What a child does to its heap, the parent never sees: contents and later allocations are each process's
// own, and a child that replaces everything its parent's threads had made stays bounded.
#include <sys/wait.h>

#include "busy.h"

enum { objects = 30000 };
static void* made[objects];
static pthread_barrier_t half_made, done;

static void make_half(size_t from) {
    for (size_t i = from; i < objects; i += 2) made[i] = make(64 + i % 700, i);
}
static void* make_half_and_stay(void* unused) {
    make_half(1);
    pthread_barrier_wait(&half_made);
    pthread_barrier_wait(&done);
    return unused;
}

int main(void) {
    probe_start();
    end_if_stuck();
    CHECK(pthread_barrier_init(&half_made, NULL, 2) == 0 && pthread_barrier_init(&done, NULL, 2) == 0);
    pthread_t other = start(make_half_and_stay, 0);
    make_half(0);
    pthread_barrier_wait(&half_made);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        size_t before = status_kib("VmRSS:");
        for (uint64_t round = 0; round < 8; ++round)
            for (size_t i = 0; i < objects; ++i) {
                CHECK(holds(made[i], 64 + i % 700, i + round));
                free(made[i]);
                made[i] = make(64 + i % 700, i + round + 1);
            }
        // 12 MB are live all the time; 100 MB went through.
        CHECK(status_kib("VmRSS:") < before + 24 * 1024);
        exit(0);
    }
    int status = 0;
    for (size_t i = 0; i < objects; i += 3) {
        CHECK(holds(made[i], 64 + i % 700, i));
        free(made[i]);
        made[i] = make(64 + i % 700, i);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    for (size_t i = 0; i < objects; ++i) CHECK(holds(made[i], 64 + i % 700, i)), free(made[i]);
    pthread_barrier_wait(&done);
    join(other);
    return 0;
}
