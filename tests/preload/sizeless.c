// Blocks of a next allocator that cannot tell their size keep their contents when they grow into our range.
#include "probe.h"

int main(void) {
    probe_start();
    for (size_t n = 8; n < 64; n += 8) {
        char* p = make(n, n);
        CHECK(!is_ours(p));
        p = realloc(p, 300);
        CHECK(p != NULL && holds(p, n, n));
        free(p);
    }
    char* p = make(3000, 1);
    p = realloc(p, 200);
    CHECK(p != NULL && holds(p, 200, 1));
    CHECK(is_ours(make(100, 2)));
    return 0;
}
