// realloc(p, 0) frees and returns NULL as glibc's does; realloc(NULL, n) is malloc; what cannot be had, or
// overflows, fails with ENOMEM and leaves the block alone.
#include <malloc.h>

#include "probe.h"

static void fails_for(size_t n) {
    void* p = make(n, n);
    errno = 0;
    CHECK(realloc(p, hide_size(PTRDIFF_MAX)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(p, hide_size(SIZE_MAX)) == NULL && errno == ENOMEM);
    // Products that wrap to a large size, to 100 and to 0: the last must not be taken for realloc(p, 0).
    const size_t overflows[][2] = {
        {SIZE_MAX / 2, 3}, {((size_t)1 << 62) + 25, 4}, {(size_t)1 << 33, (size_t)1 << 31}};
    for (size_t i = 0; i < 3; ++i) {
        errno = 0;
        CHECK(reallocarray(p, hide_size(overflows[i][0]), overflows[i][1]) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(reallocarray(NULL, hide_size(overflows[i][0]), overflows[i][1]) == NULL && errno == ENOMEM);
    }
    CHECK(holds(p, n, n));
    free(p);
}

int main(void) {
    probe_start();
    fails_for(32);
    fails_for(100);
    fails_for(768);
    fails_for(5000);

    unsigned char* p = realloc(NULL, 200);
    CHECK(p != NULL && !is_next(p) && malloc_usable_size(p) >= 200);
    p = reallocarray(p, 10, 50);
    CHECK(p != NULL && malloc_usable_size(p) >= 500);
    free(p);

    // Were realloc(p, 0) not to free, this would keep 140 MB.
    size_t before = status_kib("VmRSS:");
    for (int i = 0; i < 200000; ++i) {
        void* q = make(700, 1);
        CHECK((i % 2 ? realloc(q, hide_size(0)) : reallocarray(q, hide_size(0), 8)) == NULL);
    }
    CHECK(status_kib("VmRSS:") < before + 16 * 1024);
    return 0;
}
