// posix_memalign refuses a bad alignment with EINVAL and impossible sizes with ENOMEM, leaving the pointer as
// it was; size 0 gives a unique block; valloc and pvalloc give whole pages.
#include <malloc.h>

#include "probe.h"

int main(void) {
    probe_start();
    void* const untouched = &probe_owns;
    const size_t bad[] = {0, 1, 2, 3, 4, 7, 12, 24, 100, 4095, 65537, SIZE_MAX, SIZE_MAX / 2};
    const size_t sizes[] = {0, 32, 100, 768, 10000};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i)
        for (size_t j = 0; j < sizeof sizes / sizeof sizes[0]; ++j) {
            void* p = untouched;
            CHECK(posix_memalign(&p, hide_size(bad[i]), sizes[j]) == EINVAL && p == untouched);
        }
    for (size_t alignment = 8; alignment <= 65536; alignment *= 2) {
        void* p = untouched;
        CHECK(posix_memalign(&p, alignment, hide_size(SIZE_MAX - 100)) == ENOMEM && p == untouched);
        CHECK(posix_memalign(&p, alignment, hide_size(PTRDIFF_MAX)) == ENOMEM && p == untouched);
        errno = 0;
        CHECK(aligned_alloc(alignment, hide_size(SIZE_MAX - 100)) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(memalign(alignment, hide_size(PTRDIFF_MAX)) == NULL && errno == ENOMEM);
        void *a = NULL, *b = NULL;
        CHECK(posix_memalign(&a, alignment, 0) == 0 && posix_memalign(&b, alignment, 0) == 0);
        CHECK(a != NULL && b != NULL && a != b);
        free(a), free(b);
    }
    // The alignment itself may be what cannot be had.
    void* p = untouched;
    CHECK(posix_memalign(&p, (size_t)1 << 62, 100) == ENOMEM && p == untouched);

    // memalign takes what is not a power of two, or small; what comes back, if anything, is a block.
    for (size_t alignment = 0; alignment < 200; alignment += 3) {
        void* q = hide(memalign(hide_size(alignment), 100));
        if (q != NULL) fill(q, 100, alignment), CHECK(is_aligned(q, 16));
        free(q);
    }

    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t some[] = {0, 1, 64, 100, 768, 4096, 5000};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; ++i) {
        void *v = hide(valloc(some[i])), *w = hide(pvalloc(some[i]));
        CHECK(v != NULL && is_aligned(v, page) && malloc_usable_size(v) >= some[i]);
        CHECK(w != NULL && is_aligned(w, page) &&
              malloc_usable_size(w) >= (some[i] + page - 1) / page * page);
        fill(v, some[i], 1), fill(w, (some[i] + page - 1) / page * page, 2);
        CHECK(holds(v, some[i], 1));
        free(v), free(w);
    }
    errno = 0;
    CHECK(pvalloc(hide_size(SIZE_MAX - 10)) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(valloc(hide_size(SIZE_MAX - 10)) == NULL && errno == ENOMEM);
    return 0;
}
