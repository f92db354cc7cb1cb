// Objects of all sizes, made and freed in random order, are 16-aligned, keep their contents over the whole
// usable size, and never overlap.
#include <malloc.h>

#include "probe.h"

enum { objects = 4000, steps = 400000 };

static struct {
    unsigned char* at;
    size_t usable;
    uint64_t seed;
} live[objects];

int main(void) {
    probe_start();
    uint64_t random = 1;
    for (uint64_t step = 0; step < steps; ++step) {
        size_t i = random_size(&random, 0, objects - 1);
        if (live[i].at != NULL) {
            CHECK(malloc_usable_size(live[i].at) == live[i].usable);
            CHECK(holds(live[i].at, live[i].usable, live[i].seed));
            free(live[i].at);
            live[i].at = NULL;
        } else {
            size_t n =
                random_next(&random) % 8 == 0 ? random_size(&random, 1, 4000) : random_size(&random, 64, 768);
            live[i].at = hide(malloc(n));
            CHECK(live[i].at != NULL && is_aligned(live[i].at, 16));
            live[i].usable = malloc_usable_size(live[i].at);
            live[i].seed = step;
            CHECK(live[i].usable >= n);
            fill(live[i].at, live[i].usable, step);
        }
    }
    for (size_t i = 0; i < objects; ++i) {
        if (live[i].at != NULL) CHECK(holds(live[i].at, live[i].usable, live[i].seed));
        free(live[i].at);
    }
    return 0;
}
