// Objects outlive the threads that made them: intact, freed by others, and their memory serves the next
// threads.
#include <malloc.h>

#include "busy.h"

enum { threads = 8, objects = 2000, rounds = 30 };
static void* made[threads][objects];

static void* make_all(void* index) {
    for (size_t i = 0; i < objects; ++i) made[(uintptr_t)index][i] = make(64 + i % 700, i);
    return NULL;
}
static void* check_and_free_all(void* index) {
    for (size_t i = 0; i < objects; ++i) {
        CHECK(holds(made[(uintptr_t)index][i], 64 + i % 700, i));
        free(made[(uintptr_t)index][i]);
    }
    return NULL;
}

int main(void) {
    probe_start();
    end_if_stuck();
    size_t after_first = 0;
    for (int round = 0; round < rounds; ++round) {
        pthread_t ids[threads];
        for (uintptr_t i = 0; i < threads; ++i) ids[i] = start(make_all, i);
        for (size_t i = 0; i < threads; ++i) join(ids[i]);
        // Half is freed by main, which lives on, half by threads that end in turn.
        for (uintptr_t i = 0; i < threads; i += 2) check_and_free_all((void*)i);
        for (uintptr_t i = 1; i < threads; i += 2) join(start(check_and_free_all, i));
        if (round == 2) after_first = status_kib("VmRSS:");
    }
    // Each round makes 6.6 MB; 180 MB in all.
    CHECK(status_kib("VmRSS:") < after_first + 20 * 1024);
    return 0;
}
