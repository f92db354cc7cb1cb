// A thread's first request makes its heap, for which the C library may have to allocate where the program has
// many keys: what it takes meanwhile, watched like any other request, loses no slot. Slots that are taken one
// after another in fresh slabs stand side by side.
#include <malloc.h>
#include <pthread.h>

#include "probe.h"

enum { keys = 40, objects = 200, bytes = 512 };
static pthread_key_t made[keys];

static void make_keys(void) {
    for (size_t i = 0; i < keys; ++i) pthread_key_create(&made[i], NULL);
}
// Before the library's constructor, so that its key comes after these.
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = make_keys;

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

int main(void) {
    probe_start();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, take, NULL) == 0 && pthread_join(thread, NULL) == 0);
    return 0;
}
