// A program that is reported on while it runs: does what it is told by letters on stdin, and answers each
// with a line on stdout. 10,000 objects of 200 bytes are live from the start.
#include <sys/wait.h>

#include "probe.h"

enum { kLive = 10000 };
static void* live[kLive];

// Figures may be taken in any of these calls: none has to do with the class of those that are live.
static void churn(void) {
    for (int i = 0; i < 300000; i++) free(hide(malloc(250 + (size_t)i % 500)));
    void* held[2000];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 2000; i++) held[i] = hide(malloc(300));
        for (int i = 0; i < 2000; i++) free(held[i]);
    }
}

static void be_child(void) {
    churn();
    dprintf(STDOUT_FILENO, "%d\n", (int)getpid());
    char letter;
    if (read(STDIN_FILENO, &letter, 1) == 1) exit(0);
    _exit(1);
}

int main(void) {
    probe_start();
    end_if_stuck();
    for (int i = 0; i < kLive; i++) live[i] = make(200, (uint64_t)i);
    for (int i = 0; i < 7; i++) free(hide(malloc(hide_size(8))));
    for (int i = 0; i < 5; i++) free(hide(malloc(hide_size(5000))));
    for (int i = 0; i < 3; i++) free(hide(aligned_alloc(1024, hide_size(512))));
    dprintf(STDOUT_FILENO, "%p\n", live[0]);
    char letter;
    while (read(STDIN_FILENO, &letter, 1) == 1) {
        if (letter == 'c') churn();
        if (letter == 'l') {
            for (int i = 0; i < kLive; i++) free(live[i]);
        }
        if (letter == 'k') _exit(0);
        if (letter == 'f') {
            pid_t child = fork();
            if (child == 0) be_child();
            waitpid(child, NULL, 0);
        }
        dprintf(STDOUT_FILENO, "done\n");
    }
    return 0;
}
