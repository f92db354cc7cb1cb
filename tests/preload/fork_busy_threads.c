// fork_busy_threads [rounds]: a process whose threads are busy in malloc and free forks again and again. Each
// child frees what those threads had made, allocates, starts threads, and forks once more; nothing hangs or
// is damaged.
#include "busy.h"

static void use_heap(uint64_t* random) {
    end_if_stuck();
    table_empty();
    for (size_t i = 0; i < 2000; ++i) busy_step(random);
    pthread_t threads[] = {start(busy_some, 500), start(busy_some, 700)};
    join(threads[0]), join(threads[1]);
}

static void live_in_child(uint64_t* random) {
    use_heap(random);
    pid_t child = fork();
    use_heap(random);
    if (child != 0) wait_for(child, 0);
    table_empty();
    exit(0);
}

int main(int argc, char** argv) {
    probe_start();
    end_if_stuck();
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    uint64_t random = 99;
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; ++i) threads[i] = start(busy_run, i + 1);
    for (unsigned long round = 0; round < rounds; ++round) {
        end_if_stuck();
        for (size_t i = 0; i < 20; ++i) busy_step(&random);
        pid_t child = fork();
        if (child == 0) live_in_child(&random);
        wait_for(child, 0);
    }
    atomic_store(&busy_stop, 1);
    for (size_t i = 0; i < 3; ++i) join(threads[i]);
    table_empty();
    return 0;
}
