// Threads that keep allocating, handing objects over and freeing what others made.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "probe.h"

// Bytes of a stack that are enough for these threads, where the processor's own least does not ask for more.
__attribute__((unused)) static inline size_t small_stack(void) {
    const size_t least = (size_t)sysconf(_SC_THREAD_STACK_MIN);
    return least > 64 * 1024 ? least : 64 * 1024;
}

struct object {
    size_t size;
    uint64_t seed;
    unsigned char bytes[];
};

enum { table_size = 512 };
// Only whole, filled objects are ever in the table.
static _Atomic(struct object*) table[table_size];
static atomic_bool busy_stop;

static inline struct object* object_make(size_t size, uint64_t seed) {
    struct object* o = hide(malloc(size));
    CHECK(o != NULL);
    o->size = size;
    o->seed = seed;
    fill(o->bytes, size - sizeof *o, seed);
    return o;
}
static inline void object_end(struct object* o) {
    if (o == NULL) return;
    CHECK(holds(o->bytes, o->size - sizeof *o, o->seed));
    free(o);
}
static inline void busy_step(uint64_t* random) {
    size_t size = random_next(random) % 8 == 0 ? random_size(random, 20, 3000) : random_size(random, 64, 768);
    struct object* o = object_make(size, random_next(random));
    object_end(atomic_exchange(&table[random_next(random) % table_size], o));
}
static inline void table_empty(void) {
    for (size_t i = 0; i < table_size; ++i) object_end(atomic_exchange(&table[i], NULL));
}
static inline void* busy_run(void* seed) {
    uint64_t random = (uint64_t)(uintptr_t)seed;
    while (!atomic_load_explicit(&busy_stop, memory_order_relaxed)) busy_step(&random);
    return NULL;
}
// A bounded share of the same work; the steps are the argument.
static inline void* busy_some(void* steps) {
    uint64_t random = (uint64_t)(uintptr_t)steps | 1;
    for (size_t i = 0; i < (size_t)(uintptr_t)steps; ++i) busy_step(&random);
    return NULL;
}
static inline pthread_t start(void* (*body)(void*), uintptr_t argument) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, (void*)argument) == 0);
    return thread;
}
static inline void join(pthread_t thread) { CHECK(pthread_join(thread, NULL) == 0); }
static inline void wait_for(pid_t child, int exit_due) {
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == exit_due);
}
