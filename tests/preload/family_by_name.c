// Every name of the family, looked up by dlsym as wrappers and language runtimes do, leads to one allocator:
// what any of them made, any other frees. Names that the C library lacks must be there under the library.
#include <malloc.h>

#include "probe.h"

typedef void* (*malloc_fn)(size_t);
typedef void* (*calloc_fn)(size_t, size_t);
typedef void* (*realloc_fn)(void*, size_t);
typedef void* (*reallocarray_fn)(void*, size_t, size_t);
typedef void (*free_fn)(void*);
typedef void (*free_sized_fn)(void*, size_t);
typedef void (*free_aligned_sized_fn)(void*, size_t, size_t);

static void* find(const char* name) {
    void* found = dlsym(RTLD_DEFAULT, name);
    if (found == NULL && probe_owns != NULL) dprintf(STDERR_FILENO, "missing: %s\n", name), _exit(1);
    return found;
}

int main(void) {
    probe_start();
    static const char* const mallocs[] = {"malloc",  "__libc_malloc", "valloc",
                                          "pvalloc", "__libc_valloc", "__libc_pvalloc"};
    static const char* const callocs[] = {"calloc", "__libc_calloc"};
    static const char* const aligneds[] = {"aligned_alloc", "memalign", "__libc_memalign"};
    static const char* const frees[] = {"free", "__libc_free", "cfree"};
    static const char* const reallocs[] = {"realloc", "__libc_realloc"};
    free_sized_fn free_sized_found = (free_sized_fn)find("free_sized");
    free_aligned_sized_fn free_aligned_sized_found = (free_aligned_sized_fn)find("free_aligned_sized");
    reallocarray_fn reallocarray_found = (reallocarray_fn)find("reallocarray");
    reallocarray_fn libc_reallocarray = (reallocarray_fn)find("__libc_reallocarray");

    const size_t sizes[] = {1, 40, 64, 100, 256, 500, 768, 769, 5000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; ++s) {
        size_t n = sizes[s];
        for (size_t maker = 0; maker < 13; ++maker)
            for (size_t breaker = 0; breaker < 9; ++breaker) {
                void* p = NULL;
                if (maker < 6)
                    p = ((malloc_fn)find(mallocs[maker]))(n);
                else if (maker < 8)
                    p = ((calloc_fn)find(callocs[maker - 6]))(n, 1);
                else if (maker < 11)
                    p = ((calloc_fn)find(aligneds[maker - 8]))(64, n);
                else if (maker < 12)
                    p = reallocarray_found(NULL, n, 1);
                else if (libc_reallocarray != NULL)
                    p = libc_reallocarray(NULL, 1, n);
                else
                    continue;
                p = hide(p);
                CHECK(p != NULL && malloc_usable_size(p) >= n);
                fill(p, n, maker);
                if (maker <= 1 || maker == 6 || maker == 7)
                    CHECK(is_ours(p) == (probe_owns && n >= 64 && n <= 768));

                if (breaker < 3) {
                    free_fn freer =
                        (free_fn)(breaker == 2 && probe_owns == NULL ? (void*)free : find(frees[breaker]));
                    freer(p);
                    if (is_ours(p)) CHECK(malloc_usable_size(p) == 0);
                } else if (breaker < 5) {
                    p = hide(((realloc_fn)find(reallocs[breaker - 3]))(p, n + 100));
                    CHECK(p != NULL && holds(p, n, maker));
                    free(p);
                } else if (breaker == 5) {
                    p = hide(reallocarray_found(p, n, 2));
                    CHECK(p != NULL && holds(p, n, maker));
                    free(p);
                } else if (breaker == 6) {
                    if (free_sized_found == NULL)
                        free(p);
                    else
                        free_sized_found(p, n);
                } else if (breaker == 7) {
                    if (free_aligned_sized_found == NULL)
                        free(p);
                    else
                        free_aligned_sized_found(p, 64, n);
                } else {
                    // The size is a hint and never trusted.
                    if (free_sized_found == NULL)
                        free(p);
                    else
                        free_sized_found(p, n * 3 + 1);
                }
            }
    }
    if (free_sized_found != NULL) {
        free_sized_found(NULL, 0), free_aligned_sized_found(NULL, 64, 100);
        // Were a wrong size to keep the object, 140 MB would stay.
        size_t before = status_kib("VmRSS:");
        for (size_t i = 0; i < 200000; ++i) {
            if (i % 2)
                free_sized_found(make(700, i), i % 2000);
            else
                free_aligned_sized_found(make(700, i), (size_t)1 << i % 20, i % 2000);
        }
        CHECK(status_kib("VmRSS:") < before + 16 * 1024);
    }
    return 0;
}
