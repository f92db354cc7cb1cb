// A program that brings its own malloc, calloc, realloc and free, and does not know of us: libc's functions
// use those, so must whatever of the family we define besides, and nothing of it is ours.
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "probe.h"

// Never reuses memory; each block is preceded by its size.
enum { arena_size = 64 << 20 };
static unsigned char* arena;
static atomic_size_t used;

static int is_bundled(const void* p) {
    return (const unsigned char*)p >= arena && (const unsigned char*)p < arena + arena_size;
}

void* malloc(size_t n) {
    static atomic_flag lock = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&lock)) continue;
    if (arena == NULL)
        arena = mmap(NULL, arena_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);
    atomic_flag_clear(&lock);
    if (n > arena_size) {
        errno = ENOMEM;
        return NULL;
    }
    size_t at = atomic_fetch_add(&used, (n + 31) & ~(size_t)15);
    if (at + n + 16 > arena_size) abort();
    *(size_t*)(void*)(arena + at) = n;
    return arena + at + 16;
}
void free(void* p) {
    if (p != NULL && !is_bundled(p)) abort();
}
void* calloc(size_t count, size_t n) { return malloc(count * n); }
void* realloc(void* p, size_t n) {
    if (p != NULL && !is_bundled(p)) abort();
    void* moved = malloc(n);
    if (p != NULL && moved != NULL) {
        size_t old = *(size_t*)(void*)((unsigned char*)p - 16);
        memcpy(moved, p, old < n ? old : n);
    }
    return moved;
}

static void* body(void* unused) {
    for (size_t n = 60; n < 800; ++n) free(make(n, n));
    return unused;
}

int main(void) {
    probe_start();
    void* p = make(100, 1);
    CHECK(is_bundled(p) && !is_ours(p));
    free(p);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0 && pthread_join(thread, NULL) == 0);

    char* text =
        strdup("a text of more than sixty-four bytes, so that it would lie in our range, were it ours");
    CHECK(is_bundled(text));
    free(text);
    text = NULL;
    size_t size = 0;
    FILE* file = fopen("/proc/self/status", "r");
    CHECK(file != NULL && getline(&text, &size, file) > 0 && is_bundled(text) && fclose(file) == 0);
    free(text);

    // glibc's calls the program's realloc, and so the program's free takes it.
    unsigned char* grown = reallocarray(NULL, 10, 10);
    CHECK(is_bundled(grown));
    fill(grown, 100, 5);
    grown = reallocarray(grown, 30, 20);
    CHECK(is_bundled(grown) && holds(grown, 100, 5));
    free(grown);
    return 0;
}
