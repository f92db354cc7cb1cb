// Run with TSLAB_RESERVE=64M, which leaves 2 MB a size class: what a thread had made that a child does not
// have, the child frees and its threads get again, and so do its children; a child that lost it would run out
// of ours.
#include "busy.h"

enum { objects = 3000, size = 512 };
static void* made[objects];
static pthread_barrier_t all_made, done;

static void make_all(void) {
    size_t ours = 0;
    for (size_t i = 0; i < objects; ++i) {
        made[i] = make(size, i);
        ours += (size_t)is_ours(made[i]);
    }
    CHECK(ours >= objects / 10 * 9);
}
static void check_and_free_all(void) {
    for (size_t i = 0; i < objects; ++i) {
        CHECK(holds(made[i], size, i));
        free(made[i]);
    }
}
static void* make_and_stay(void* unused) {
    make_all();
    pthread_barrier_wait(&all_made);
    pthread_barrier_wait(&done);
    return unused;
}

static void fork_and_reuse(int generations) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        end_if_stuck();
        check_and_free_all();
        CHECK(pthread_barrier_init(&all_made, NULL, 2) == 0);
        start(make_and_stay, 0);
        pthread_barrier_wait(&all_made);
        if (generations > 1) fork_and_reuse(generations - 1);
        check_and_free_all();
        exit(0);
    }
    wait_for(child, 0);
}

int main(void) {
    probe_start();
    end_if_stuck();
    CHECK(pthread_barrier_init(&all_made, NULL, 2) == 0 && pthread_barrier_init(&done, NULL, 2) == 0);
    pthread_t other = start(make_and_stay, 0);
    pthread_barrier_wait(&all_made);
    fork_and_reuse(3);
    check_and_free_all();
    pthread_barrier_wait(&done);
    join(other);
    return 0;
}
