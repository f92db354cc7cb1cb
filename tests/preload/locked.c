// With all memory locked, now and in future, the family works; madvise that the kernel now refuses is no
// error; and what nobody uses takes neither memory nor page tables.
#include <sys/mman.h>

#include "memory.h"

int main(void) {
    probe_start();
    void* before = make(100, 1);
    if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0) skip("memory cannot be locked here");
    uint64_t random = 1;
    for (int round = 0; round < 4; ++round) {
        struct link* list = NULL;
        CHECK(list_grow(&list, 10 << 20, &random) >= 10 << 20);
        CHECK(status_kib("VmRSS:") < 128 << 10 && status_kib("VmPTE:") < 8 << 10);
        list_free(list);
        for (size_t n = 64; n <= 768; ++n) {
            unsigned char* clear = calloc(1, n);
            CHECK(clear != NULL && all_bytes(clear, n, 0));
            free(clear);
        }
    }
    CHECK(holds(before, 100, 1));
    free(before);
    return 0;
}
