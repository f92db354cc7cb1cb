// A tracer's malloc, to be preloaded behind the library: it counts, and passes on by the names that glibc has
// for its own.
#include <stddef.h>

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

static size_t calls;

static void count(void) { __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED); }

void* malloc(size_t n) {
    count();
    return __libc_malloc(n);
}
void* calloc(size_t count_of, size_t n) {
    count();
    return __libc_calloc(count_of, n);
}
void* realloc(void* p, size_t n) {
    count();
    return __libc_realloc(p, n);
}
void* memalign(size_t alignment, size_t n) {
    count();
    return __libc_memalign(alignment, n);
}
void free(void* p) {
    count();
    __libc_free(p);
}
