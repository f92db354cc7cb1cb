// malloc_usable_size covers the request, can be written in full, is the same for an object's whole life and
// from any thread, and is 0 for NULL.
#include <malloc.h>
#include <pthread.h>

#include "probe.h"

enum { objects = 2000 };
static unsigned char* made[objects];
static size_t usable[objects];

static void* same_and_full(void* unused) {
    for (size_t i = 0; i < objects; ++i) {
        CHECK(malloc_usable_size(made[i]) == usable[i]);
        CHECK(holds(made[i], usable[i], i));
    }
    return unused;
}

int main(void) {
    probe_start();
    CHECK(malloc_usable_size(hide(NULL)) == 0);
    for (size_t i = 0; i < objects; ++i) {
        size_t n = 1 + i % 1000;
        made[i] = hide(malloc(n));
        usable[i] = malloc_usable_size(made[i]);
        CHECK(usable[i] >= n);
        fill(made[i], usable[i], i);
    }
    same_and_full(NULL);
    for (size_t i = 0; i < objects; ++i) free(make(1 + i % 1000, 1));
    pthread_t other;
    CHECK(pthread_create(&other, NULL, same_and_full, NULL) == 0 && pthread_join(other, NULL) == 0);
    for (size_t i = 0; i < objects; ++i) free(made[i]);
    return 0;
}
