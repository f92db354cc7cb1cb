// Writing to freed objects of ours harms no other object, no later malloc, and no calloc.
#include "probe.h"

enum { objects = 3000 };

static void *stale[objects], *kept[objects], *later[objects];

int main(void) {
    probe_start();
    uint64_t random = 1;
    for (size_t i = 0; i < objects; ++i) {
        stale[i] = make(random_size(&random, 64, 768), i);
        CHECK(!is_next(stale[i]));
        kept[i] = make(64 + i % 700, i);
    }
    for (size_t i = 0; i < objects; ++i) free(stale[i]);
    for (size_t i = 0; i < objects; ++i) memset(hide(stale[i]), 0xEE, 64);
    for (size_t i = 0; i < objects; ++i) {
        later[i] = hide(calloc(1, 64 + i % 700));
        CHECK(later[i] != NULL && all_bytes(later[i], 64 + i % 700, 0));
        fill(later[i], 64 + i % 700, i + 7);
    }
    for (size_t i = 0; i < objects; ++i) {
        CHECK(holds(kept[i], 64 + i % 700, i) && holds(later[i], 64 + i % 700, i + 7));
        free(kept[i]), free(later[i]);
    }
    return 0;
}
