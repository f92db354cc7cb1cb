// A thread's first request makes its heap, for which the C library may have to allocate where the program has
// many keys: what it takes meanwhile, watched like any other request, loses no slot. Slots that are taken one
// after another in fresh slabs stand side by side. Nor is anything lost by an unwinder that sets a key too:
// with the argument `more`, so many threads do that it would show.
#include <malloc.h>

#include "keys.h"
#include "memory.h"
#include "probe.h"

enum { objects = 200, bytes = 512, more_threads = 4000 };

static int by_address(const void* a, const void* b) {
    const char *left = *(char*const*)a, *right = *(char*const*)b;
    return (left > right) - (left < right);
}

static void* take(void* unused) {
    char* taken[objects];
    for (size_t i = 0; i < objects; ++i) {
        taken[i] = hide(malloc(hide_size(bytes)));
        CHECK(is_ours(taken[i]));
    }
    qsort(taken, objects, sizeof *taken, by_address);
    const size_t slot = malloc_usable_size(taken[0]);
    for (size_t i = 1; i < objects; ++i) CHECK((size_t)(taken[i] - taken[i - 1]) == slot);
    for (size_t i = 0; i < objects; ++i) free(taken[i]);
    return unused;
}

static void* take_one(void* unused) {
    free(hide(malloc(100)));
    return unused;
}

static void run(void* (*body)(void*)) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

int main(int argc, char** argv) {
    probe_start();
    run(take);
    if (argc == 1) return 0;
    CHECK(strcmp(argv[1], "more") == 0);
    size_t before = 0;
    for (size_t i = 0; i < more_threads; ++i) {
        if (i == 100) before = status_kib("VmRSS:");
        run(take_one);
    }
    CHECK(status_kib("VmRSS:") <= before + 1024);
    return 0;
}
