// Threads that take nothing end in bursts: what the C library frees for them, when their destructors have
// run, is ours, and their stacks are used again. Others free for the first time in their last round of
// destructors: they leave nothing behind.
#include <limits.h>
#include <semaphore.h>

#include "busy.h"
#include "memory.h"

enum { bursts = 20, threads = 16, late_threads = 1000 };
static pthread_barrier_t together;
static sem_t ended;

static void* pass(void* unused) {
    pthread_barrier_wait(&together);
    sem_post(&ended);
    return unused;
}

// More stacks than the C library keeps, 40 MB.
static void burst(void) {
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 8 << 20) == 0);
    CHECK(pthread_barrier_init(&together, NULL, threads + 1) == 0);
    for (int i = 0; i < threads; ++i) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attributes, pass, NULL) == 0);
    }
    pthread_barrier_wait(&together);
    for (int i = 0; i < threads; ++i) CHECK(sem_wait(&ended) == 0);
    usleep(2000);  // those that have said so are still ending
    pthread_barrier_destroy(&together);
    pthread_attr_destroy(&attributes);
}

static pthread_key_t late;
static int rounds;

// Set again until the last round of destructors.
static void destroy_late(void* object) {
    if (++rounds < PTHREAD_DESTRUCTOR_ITERATIONS) {
        CHECK(pthread_setspecific(late, object) == 0);
    } else {
        free(object);
    }
}
static void* free_late(void* object) {
    rounds = 0;
    CHECK(pthread_setspecific(late, object) == 0);
    return NULL;
}

int main(void) {
    CHECK(sem_init(&ended, 0, 0) == 0);
    for (int i = 0; i < bursts; ++i) burst();
    CHECK(pthread_key_create(&late, destroy_late) == 0);
    size_t before = 0;
    for (int i = 0; i < late_threads; ++i) {
        if (i == 10) before = status_kib("VmRSS:");
        const pthread_t thread = start(free_late, (uintptr_t)hide(malloc(300)));
        CHECK(pthread_join(thread, NULL) == 0);
    }
    CHECK(status_kib("VmRSS:") <= before + 2 * late_threads);
    return 0;
}
