// A program with a malloc of its own that counts and passes on to the next one, as tracers do, and with the
// rest of the family partly its own: what it passes on must not come back to it.
//
// Compiled as a library it stands in front of others.
#include <dlfcn.h>
#include <malloc.h>

#include "probe.h"

static size_t calls;

// Looked up on first use; dlsym may allocate, and that is answered from here. Not what other threads ask for
// meanwhile, for which there is no room.
static char early[4096];
static size_t early_used;
// Volatile, since dlsym is declared as if it called nothing of ours.
static _Thread_local volatile int looking __attribute__((tls_model("initial-exec")));

static void* find(const char* name) {
    looking = 1;
    void* const function = dlsym(RTLD_NEXT, name);
    looking = 0;
    if (function == NULL) abort();
    return function;
}

void* malloc(size_t n) {
    static void* (*onward)(size_t);
    if (looking) {
        const size_t at = __atomic_fetch_add(&early_used, (n + 15) & ~(size_t)15, __ATOMIC_RELAXED);
        return at + n <= sizeof early ? early + at : NULL;
    }
    if (onward == NULL) *(void**)&onward = find("malloc");
    ++calls;
    return onward(n);
}
void free(void* p) {
    static void (*onward)(void*);
    if (looking) return;
    if (onward == NULL) *(void**)&onward = find("free");
    if ((char*)p >= early && (char*)p < early + sizeof early) return;
    ++calls;
    onward(p);
}
#ifdef WRAPS_ALL
void* calloc(size_t count, size_t n) {
    static void* (*onward)(size_t, size_t);
    if (looking) return malloc(count * n);
    if (onward == NULL) *(void**)&onward = find("calloc");
    ++calls;
    return onward(count, n);
}
void* realloc(void* p, size_t n) {
    static void* (*onward)(void*, size_t);
    if (onward == NULL) *(void**)&onward = find("realloc");
    ++calls;
    return onward(p, n);
}
int posix_memalign(void** p, size_t alignment, size_t n) {
    static int (*onward)(void**, size_t, size_t);
    if (onward == NULL) *(void**)&onward = find("posix_memalign");
    ++calls;
    return onward(p, alignment, n);
}
size_t malloc_usable_size(void* p) {
    static size_t (*onward)(void*);
    if (onward == NULL) *(void**)&onward = find("malloc_usable_size");
    ++calls;
    return onward(p);
}
#endif

#ifndef WRAPS_AS_LIBRARY
int main(void) {
    probe_start();
    for (size_t n = 1; n < 2000; ++n) {
        void *p = make(n, n), *zero = calloc(1, n), *aligned = NULL;
        CHECK(all_bytes(zero, n, 0));
        CHECK(malloc_usable_size(p) >= n);
        p = realloc(p, 2000 - n);
        CHECK(p != NULL && holds(p, n < 1000 ? n : 2000 - n, n));
        p = reallocarray(p, 2, n);
        CHECK(p != NULL);
        CHECK(posix_memalign(&aligned, 64, n) == 0 && is_aligned(aligned, 64));
        free(aligned), free(p), free(zero);
        char* text = NULL;
        CHECK(asprintf(&text, "%0*d", (int)n, 7) == (int)n);
        free(text);
    }
    CHECK(calls > 5000);
    return 0;
}
#endif
