// Allocates in its constructor, its destructor, and in thread-local storage that exists only once it is
// opened.
#include "probe.h"

enum { objects = 100 };
static void* made[objects];
static __thread unsigned char large[300];
static __thread void* small;

static void __attribute__((constructor)) begin(void) {
    for (size_t i = 0; i < objects; ++i) made[i] = make(64 + i * 7, i);
}
static void __attribute__((destructor)) end(void) {
    for (size_t i = 0; i < objects; ++i) {
        CHECK(holds(made[i], 64 + i * 7, i));
        free(made[i]);
    }
    free(realloc(make(100, 1), 500));
}

void* plugin_make(size_t n);
void* plugin_make(size_t n) { return make(n, n); }

// The first touch in a thread allocates the storage by malloc, before the thread has called malloc itself.
int plugin_touch(void);
int plugin_touch(void) {
    if (!all_bytes(large, sizeof large, 0) || small != NULL) return 0;
    memset(large, 1, sizeof large);
    small = &large;
    return 1;
}
