// malloc_trim gives back the pages of what is free of ours, which with reclaim off nothing else does, and
// answers 1.
#include <malloc.h>
#include <sys/mman.h>

#include "probe.h"

enum { objects = 20000, bytes = 500 };
static void* made[objects];

// Of the objects, alive or not: on how many first pages there is memory.
static size_t with_memory(void) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    size_t count = 0;
    for (size_t i = 0; i < objects; ++i) {
        unsigned char present = 0;
        CHECK(mincore((void*)((uintptr_t)made[i] / page * page), 1, &present) == 0);
        count += present & 1;
    }
    return count;
}

int main(void) {
    probe_start();
    for (size_t i = 0; i < objects; ++i) {
        made[i] = make(bytes, i);
        CHECK(is_ours(made[i]));
    }
    for (size_t i = 0; i < objects; ++i) free(hide(made[i]));
    CHECK(with_memory() == objects);
    CHECK(malloc_trim(0) == 1);
    CHECK(with_memory() < objects / 10);
    return 0;
}
