// fork from a thread that is not main: in the child that thread is the only one; it keeps its objects, frees
// main's and those of a thread that had ended, starts others, and the process ends when it returns.
#include "busy.h"

enum { objects = 500 };
static void *of_main[objects], *of_ended[objects];

static void make_all(void** made) {
    for (size_t i = 0; i < objects; ++i) made[i] = make(64 + i, i);
}
static void check_and_free_all(void** made) {
    for (size_t i = 0; i < objects; ++i) {
        CHECK(holds(made[i], 64 + i, i));
        free(made[i]);
    }
}
static void* make_and_end(void* unused) {
    make_all(of_ended);
    return unused;
}

static void* fork_here(void* unused) {
    void* own[objects];
    make_all(own);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        end_if_stuck();
        check_and_free_all(of_main);
        check_and_free_all(own);
        make_all(own);
        join(start(busy_some, 3000));
        check_and_free_all(of_ended);
        table_empty();
        check_and_free_all(own);
        pthread_exit(NULL);
    }
    wait_for(child, 0);
    check_and_free_all(own);
    return unused;
}

int main(void) {
    probe_start();
    end_if_stuck();
    make_all(of_main);
    join(start(make_and_end, 0));
    for (int round = 0; round < 10; ++round) join(start(fork_here, 0));
    check_and_free_all(of_main);
    check_and_free_all(of_ended);
    return 0;
}
