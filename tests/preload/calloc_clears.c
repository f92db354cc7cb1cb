// calloc returns zeroes over the whole usable size, above all in reused slots that were left full; a product
// that overflows is ENOMEM.
#include <malloc.h>

#include "probe.h"

enum { objects = 200 };

int main(void) {
    probe_start();
    size_t reused = 0;
    static unsigned char *dirty[objects], *clear[objects];
    for (size_t n = 1; n <= 1200; n += n < 800 ? 7 : 50) {
        for (size_t i = 0; i < objects; ++i) {
            dirty[i] = hide(malloc(n));
            CHECK(dirty[i] != NULL);
            memset(dirty[i], 0xEE, malloc_usable_size(dirty[i]));
        }
        for (size_t i = 0; i < objects; ++i) free(dirty[i]);
        for (size_t i = 0; i < objects; ++i) {
            clear[i] = hide(i % 3 == 0 ? calloc(1, n) : i % 3 == 1 ? calloc(n, 1) : calloc((n + 7) / 8, 8));
            CHECK(clear[i] != NULL && malloc_usable_size(clear[i]) >= n);
            CHECK(all_bytes(clear[i], malloc_usable_size(clear[i]), 0));
            for (size_t j = 0; j < objects; ++j) reused += clear[i] == dirty[j];
        }
        for (size_t i = 0; i < objects; ++i) free(clear[i]);
    }
    CHECK(reused > 1000);

    const size_t overflows[][2] = {{SIZE_MAX / 2, 3},
                                   {((size_t)1 << 62) + 25, 4},
                                   {(size_t)1 << 33, (size_t)1 << 31},
                                   {SIZE_MAX, SIZE_MAX}};
    for (size_t i = 0; i < 4; ++i) {
        errno = 0;
        CHECK(calloc(hide_size(overflows[i][0]), overflows[i][1]) == NULL && errno == ENOMEM);
    }
    return 0;
}
