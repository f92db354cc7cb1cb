// Threads in a ring: each makes objects and hands them to the next, which checks and frees them. What is
// freed by others comes back to its owner: memory stays bounded.
#include <malloc.h>

#include "busy.h"

enum { threads = 4, window = 256, handed = 60000 };
static _Atomic(struct object*) lane[threads][window];

static void* body(void* index) {
    size_t own = (uintptr_t)index, before = (own + threads - 1) % threads;
    uint64_t random = own + 1;
    size_t made = 0, taken = 0;
    while (made < handed || taken < handed) {
        size_t progress = made + taken;
        if (made < handed && atomic_load(&lane[own][made % window]) == NULL) {
            atomic_store(&lane[own][made % window],
                         object_make(random_size(&random, 64, 768), random_next(&random)));
            ++made;
        }
        if (taken < handed) {
            struct object* o = atomic_exchange(&lane[before][taken % window], NULL);
            if (o != NULL) object_end(o), ++taken;
        }
        if (made + taken == progress) sched_yield();
    }
    return NULL;
}

int main(void) {
    probe_start();
    end_if_stuck();
    size_t before = status_kib("VmRSS:");
    pthread_t ids[threads];
    for (uintptr_t i = 0; i < threads; ++i) ids[i] = start(body, i);
    for (size_t i = 0; i < threads; ++i) join(ids[i]);
    // 100 MB went through; 0.4 MB is live at a time.
    CHECK(status_kib("VmRSS:") < before + 24 * 1024);
    return 0;
}
