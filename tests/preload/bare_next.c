// A preload library with an allocator of its own: 16-byte headers in one arena. Its calloc, realloc and
// aligned_alloc call malloc by name, which may be ours, and expect what comes back to be their own.
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { arena_size = 128 << 20 };
static _Alignas(4096) unsigned char arena[arena_size];
static atomic_size_t used;

int bare_owns(const void* p);
int bare_owns(const void* p) {
    return (const unsigned char*)p >= arena && (const unsigned char*)p < arena + arena_size;
}

void* malloc(size_t n) {
    if (n > arena_size) {
        errno = ENOMEM;
        return NULL;
    }
    size_t at = atomic_fetch_add(&used, (n + 31) & ~(size_t)15);
    if (at + n + 16 > arena_size) abort();
    memcpy(arena + at, &n, sizeof n);
    return arena + at + 16;
}
void free(void* p) {
    if (p != NULL && !bare_owns(p)) abort();
}
// Through pointers that the compiler cannot see into, or it would make our calloc call itself.
static void* (*volatile by_name)(size_t) = malloc;

void* calloc(size_t count, size_t n) {
    if (n != 0 && count > SIZE_MAX / n) {
        errno = ENOMEM;
        return NULL;
    }
    void* p = by_name(count * n);
    return p == NULL ? NULL : memset(p, 0, count * n);
}
void* realloc(void* p, size_t n) {
    if (p != NULL && !bare_owns(p)) abort();
    if (p != NULL && n == 0) return NULL;
    void* moved = by_name(n);
    if (p != NULL && moved != NULL) {
        size_t old;
        memcpy(&old, (unsigned char*)p - 16, sizeof old);
        memcpy(moved, p, old < n ? old : n);
    }
    return moved;
}
// Over-allocates, aligns inside, and puts a header before that: not the start of what malloc gave.
void* aligned_alloc(size_t alignment, size_t n) {
    if (n > SIZE_MAX - alignment - 16) {
        errno = ENOMEM;
        return NULL;
    }
    unsigned char* p = by_name(n + alignment + 16);
    if (p == NULL) return NULL;
    p += 16;
    p += (alignment - (uintptr_t)p % alignment) % alignment;
    memcpy(p - 16, &n, sizeof n);
    return p;
}
void* memalign(size_t alignment, size_t n) { return aligned_alloc(alignment, n); }
int posix_memalign(void** to, size_t alignment, size_t n) {
    if (alignment < sizeof(void*) || (alignment & (alignment - 1)) != 0) return EINVAL;
    void* p = aligned_alloc(alignment, n);
    if (p == NULL) return ENOMEM;
    *to = p;
    return 0;
}
size_t malloc_usable_size(void* p) {
    size_t n = 0;
    if (p != NULL) memcpy(&n, (unsigned char*)p - 16, sizeof n);
    return n;
}
