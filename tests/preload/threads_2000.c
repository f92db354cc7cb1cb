// 2,000 threads alive at once, each with objects of its own; then each frees its neighbour's.
#include <limits.h>

#include "busy.h"

enum { threads = 2000, objects = 30 };
static void* made[threads][objects];
static pthread_barrier_t all_made;

static size_t size_of(size_t thread, size_t i) { return 64 + (thread * 31 + i * 97) % 705; }

static void* body(void* index) {
    size_t own = (uintptr_t)index, neighbour = (own + 1) % threads;
    for (size_t i = 0; i < objects; ++i) made[own][i] = make(size_of(own, i), own + i);
    pthread_barrier_wait(&all_made);
    for (size_t i = 0; i < objects; ++i) {
        CHECK(holds(made[neighbour][i], size_of(neighbour, i), neighbour + i));
        free(made[neighbour][i]);
    }
    free(make(300, 1));
    return NULL;
}

int main(void) {
    probe_start();
    end_if_stuck();
    static pthread_t ids[threads];
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, small_stack()) == 0);
    for (int round = 0; round < 2; ++round) {
        CHECK(pthread_barrier_init(&all_made, NULL, threads) == 0);
        for (uintptr_t i = 0; i < threads; ++i)
            if (pthread_create(&ids[i], &attributes, body, (void*)i) != 0)
                skip("2,000 threads are not to be had here");
        for (size_t i = 0; i < threads; ++i) join(ids[i]);
    }
    return 0;
}
