// Requests of no bytes give blocks of their own, which can be freed.
#include "probe.h"

enum { kinds = 6, each = 200 };

int main(void) {
    probe_start();
    void* made[kinds * each];
    for (size_t i = 0; i < each; ++i) {
        void** at = made + i * kinds;
        at[0] = malloc(hide_size(0));
        at[1] = calloc(hide_size(0), 8);
        at[2] = calloc(8, hide_size(0));
        at[3] = realloc(NULL, hide_size(0));
        at[4] = reallocarray(NULL, 8, hide_size(0));
        at[5] = aligned_alloc(64, hide_size(0));
    }
    for (size_t i = 0; i < kinds * each; ++i) {
        CHECK(made[i] != NULL);
        for (size_t j = 0; j < i; ++j) CHECK(made[i] != made[j]);
    }
    for (size_t i = 0; i < kinds * each; ++i) free(made[i]);
    return 0;
}
