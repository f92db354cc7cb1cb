// realloc between any two sizes, across 64 and 768 both ways: contents are kept over the lesser of the two
// usable sizes (programs write into the slack), and neighbours are untouched.
#include <malloc.h>

#include "probe.h"

static const size_t sizes[] = {1,    15,   16,   24,   32,   48,    62,    63,     64,     65,
                               79,   80,   96,   100,  128,  255,   256,   257,    288,    300,
                               511,  512,  600,  736,  737,  767,   768,   769,    770,    800,
                               1000, 1024, 2000, 4095, 4096, 10000, 65536, 131072, 140000, 300000};
enum { count = sizeof sizes / sizeof sizes[0] };

static size_t lesser(size_t a, size_t b) { return a < b ? a : b; }

int main(void) {
    probe_start();
    for (size_t from = 0; from < count; ++from) {
        for (size_t to = 0; to < count; ++to) {
            void* before = make(sizes[from], 1);
            unsigned char* p = hide(malloc(sizes[from]));
            void* after = make(sizes[from], 2);
            void* beside = make(sizes[to], 3);
            size_t old = malloc_usable_size(p);
            fill(p, old, from * count + to);

            p = hide(realloc(p, sizes[to]));
            CHECK(p != NULL && is_aligned(p, 16));
            size_t now = malloc_usable_size(p);
            CHECK(now >= sizes[to]);
            CHECK(holds(p, lesser(old, sizes[to]), from * count + to));
            if (sizes[to] > 768) CHECK(!is_ours(p));
            if (sizes[from] < 64 && sizes[to] >= 64 && sizes[to] <= 768) CHECK(!is_next(p));

            fill(p, now, 4);
            CHECK(holds(before, sizes[from], 1) && holds(after, sizes[from], 2) &&
                  holds(beside, sizes[to], 3));
            CHECK(holds(p, now, 4));
            free(before), free(p), free(after), free(beside);
        }
    }
    return 0;
}
