// fork_in_handler FORKS [SIGNAL]: a signal handler forks in the middle of whatever malloc or free its thread
// is in, or report on SIGNAL. Parent and child both go on with it, and with more of the same, and find in
// each object what they wrote there.
#include <signal.h>
#include <time.h>

#include "busy.h"

enum { objects = 6000 };
static volatile sig_atomic_t forks, in_child;
static timer_t timer;

static void set_timer(long microseconds) {
    struct itimerspec once = {{0, 0}, {0, microseconds * 1000}};
    CHECK(timer_settime(timer, 0, &once, NULL) == 0);
}

static void fork_here(int signal) {
    (void)signal;
    pid_t child = fork();
    if (child == 0) {
        end_if_stuck();
        in_child = 1;
        return;
    }
    wait_for(child, 0);
    ++forks;
    set_timer(100 + forks * 37 % 300);
}

int main(int argc, char** argv) {
    probe_start();
    CHECK(argc > 1);
    long wanted = strtol(argv[1], NULL, 10);
    int report_on = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    end_if_stuck();
    signal(SIGUSR1, fork_here);
    // Not the one that ends what is stuck.
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    set_timer(500);
    static struct object* held[objects];
    uint64_t random = 12345;
    for (int step = 1, left = 4000; forks < wanted && left > 0; ++step, left -= in_child) {
        struct object** one = &held[random_next(&random) % objects];
        struct object* was = *one;
        *one = NULL;
        object_end(was);
        if (was == NULL) *one = object_make(random_size(&random, 64, 768), random_next(&random));
        if (report_on != 0 && step % 512 == 0) raise(report_on);
        if (random_next(&random) % 4096 != 0) continue;
        for (size_t i = 0; i < objects; ++i) {
            was = held[i];
            held[i] = NULL;
            object_end(was);
        }
    }
    for (size_t i = 0; i < objects; ++i) object_end(held[i]);
    exit(0);
}
