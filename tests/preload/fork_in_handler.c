// A signal handler forks in the middle of whatever malloc or free its thread is in. Parent and child both go
// on with it, and with more of the same.
#include <signal.h>
#include <sys/time.h>

#include "busy.h"

static volatile sig_atomic_t forks, in_child;

static void set_timer(suseconds_t microseconds) {
    struct itimerval timer = {{0, 0}, {0, microseconds}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void fork_here(int signal) {
    (void)signal;
    pid_t child = fork();
    if (child == 0) {
        in_child = 1;
        return;
    }
    wait_for(child, 0);
    ++forks;
    set_timer(100 + forks * 37 % 300);
}

int main(void) {
    probe_start();
    signal(SIGALRM, fork_here);
    set_timer(500);
    static void* held[6000];
    uint64_t random = 12345;
    for (int left = 4000; forks < 600 && left > 0; left -= in_child) {
        void** one = &held[random_next(&random) % 6000];
        free(*one);
        *one = *one != NULL ? NULL : make(random_size(&random, 64, 768), 1);
        if (random_next(&random) % 4096 != 0) continue;
        for (size_t i = 0; i < 6000; ++i) {
            free(held[i]);
            held[i] = NULL;
        }
    }
    _exit(0);
}
