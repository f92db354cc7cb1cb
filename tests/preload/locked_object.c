// Where an object was freed that is still locked, the frees of a spike give memory back as ever, and so does
// malloc_trim, but for a few pages.
#include <malloc.h>
#include <sys/mman.h>

#include "memory.h"

enum { objects = 100000 };

int main(void) {
    static void* made[objects];
    probe_start();
    for (size_t i = 0; i < objects / 20; ++i) made[i] = make(64 + i % 700, 1);
    if (mlock(made[objects / 40], 64) != 0) skip("memory cannot be locked here");
    for (size_t i = 0; i < objects / 20; ++i) free(made[i]);
    malloc_trim(0);
    const size_t before = status_kib("VmRSS:");
    for (size_t i = 0; i < objects; ++i) made[i] = make(64 + i % 700, 1);
    const size_t full = status_kib("VmRSS:");
    CHECK(full > before + objects / 1024 * 400);
    for (size_t i = 0; i < objects; ++i) free(made[i]);
    CHECK(status_kib("VmRSS:") < before + full / 4);
    malloc_trim(0);
    CHECK(status_kib("VmRSS:") < before + 1024);
    return 0;
}
