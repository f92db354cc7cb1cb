// served_range [least most]: malloc, calloc and realloc of exactly the sizes in [least, most] are ours, in
// classes of 16 bytes up to 256 and 32 bytes beyond; most 0 means that none is.
#include <malloc.h>

#include "probe.h"

static size_t class_size(size_t n) { return n <= 256 ? (n + 15) / 16 * 16 : (n + 31) / 32 * 32; }

int main(int argc, char** argv) {
    probe_start();
    size_t least = argc > 2 ? strtoul(argv[1], NULL, 10) : 64;
    size_t most = argc > 2 ? strtoul(argv[2], NULL, 10) : 768;
    for (size_t n = 1; n <= 1000; ++n) {
        void* made[] = {malloc(n), calloc(1, n), realloc(NULL, n), reallocarray(NULL, 1, n)};
        for (size_t i = 0; i < sizeof made / sizeof made[0]; ++i) {
            CHECK(made[i] != NULL);
            CHECK(is_ours(made[i]) == (n >= least && n <= most));
            if (is_ours(made[i])) CHECK(malloc_usable_size(made[i]) == class_size(n));
        }
        for (size_t i = 0; i < sizeof made / sizeof made[0]; ++i) free(made[i]);
    }
    CHECK(!is_ours(NULL) && !is_ours(&argc) && !is_ours(argv));
    return 0;
}
