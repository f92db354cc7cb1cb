// chain NEXT [SECOND]: with another allocator preloaded after ours, what we do not serve comes from it. As
// SECOND of the chain we serve nothing, and what we alone define still works on its blocks.
#include <malloc.h>

#include "busy.h"

static const char* next;

static int is_of_next(void* p) {
    if (strcmp(next, "mimalloc") == 0)
        return ((int (*)(const void*))dlsym(RTLD_DEFAULT, "mi_is_in_heap_region"))(p);
    if (strcmp(next, "tcmalloc") == 0)
        return ((int (*)(const void*))dlsym(RTLD_DEFAULT, "MallocExtension_GetOwnership"))(p) == 1;
    if (strcmp(next, "bare") == 0) return ((int (*)(const void*))dlsym(RTLD_DEFAULT, "bare_owns"))(p);
    // jemalloc: a known object's size is of its classes, which are not glibc's.
    CHECK(strcmp(next, "jemalloc") == 0);
    size_t usable = malloc_usable_size(p);
    return ((size_t(*)(const void*, int))dlsym(RTLD_DEFAULT, "sallocx"))(p, 0) == usable;
}

// What jemalloc says this thread has allocated from it.
static uint64_t jemalloc_allocated(void) {
    int (*control)(const char*, void*, size_t*, void*, size_t) =
        (int (*)(const char*, void*, size_t*, void*, size_t))dlsym(RTLD_DEFAULT, "mallctl");
    uint64_t bytes = 0;
    size_t size = sizeof bytes;
    CHECK(control("thread.allocated", &bytes, &size, NULL, 0) == 0);
    return bytes;
}

int main(int argc, char** argv) {
    probe_start();
    end_if_stuck();
    CHECK(argc >= 2);
    next = argv[1];
    int second = argc > 2;

    for (size_t n = 1; n < 3000; n += 13) {
        uint64_t before = strcmp(next, "jemalloc") == 0 ? jemalloc_allocated() : 0;
        void* made[] = {malloc(n), calloc(1, n), realloc(NULL, n), reallocarray(NULL, 1, n),
                        aligned_alloc(128, n)};
        uint64_t after = strcmp(next, "jemalloc") == 0 ? jemalloc_allocated() : 0;
        size_t of_next = 0;
        for (size_t i = 0; i < 5; ++i) {
            CHECK(made[i] != NULL);
            fill(made[i], n, n);
            if (second) CHECK(!is_ours(made[i]));
            if (i < 4 && !second) CHECK(is_ours(made[i]) == (n >= 64 && n <= 768));
            if (!is_ours(made[i])) {
                CHECK(is_of_next(made[i]));
                ++of_next;
            }
        }
        if (strcmp(next, "jemalloc") == 0) CHECK(after - before >= of_next * n);
        for (size_t i = 0; i < 5; ++i) {
            made[i] = i % 2 ? realloc(made[i], n + 700) : reallocarray(made[i], n + 700, 1);
            CHECK(made[i] != NULL && holds(made[i], n, n));
        }
        // Names that only we may have.
        void (*free_sized_found)(void*, size_t) = (void (*)(void*, size_t))dlsym(RTLD_DEFAULT, "free_sized");
        if (free_sized_found != NULL) free_sized_found(made[0], n + 700);
        for (size_t i = free_sized_found != NULL; i < 5; ++i) free(made[i]);
    }
    char* text =
        strdup("a text of more than sixty-four bytes, so that it would lie in our range, were it ours");
    CHECK(second || is_ours(text));
    free(text);
    join(start(busy_some, 20000));
    busy_some((void*)20001);
    table_empty();
    return 0;
}
