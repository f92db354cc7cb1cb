// memory_falls owner|other: after 100 MB of objects are freed, by their owner or another thread, and
// 150 MB of short-lived work is done, 1 MB at a time, the memory is the kernel's again: less than a fifth of
// the peak is left.
#include <pthread.h>

#include "memory.h"

static struct link* list;

static void* free_every_object(void* unused) {
    CHECK(list_free(list) > 200000);
    return unused;
}

int main(int argc, char** argv) {
    probe_start();
    CHECK(argc == 2);
    uint64_t random = 1;
    // Survivors that the program goes on with, some of them among the others.
    enum { survivors = 500 };
    static void* kept[survivors];
    for (size_t i = 0; i < survivors; ++i) {
        if (i % 10 == 0) CHECK(list_grow(&list, 2 << 20, &random) >= 2 << 20);
        kept[i] = make(random_size(&random, 64, 768), i);
    }
    size_t peak = status_kib("VmRSS:");
    if (strcmp(argv[1], "other") == 0) {
        pthread_t other;
        CHECK(pthread_create(&other, NULL, free_every_object, NULL) == 0 && pthread_join(other, NULL) == 0);
    } else {
        free_every_object(NULL);
    }
    for (int i = 0; i < 150; ++i) {
        struct link* brief = NULL;
        list_grow(&brief, 1 << 20, &random);
        list_free(brief);
    }
    size_t left = status_kib("VmRSS:");
    if (left >= peak / 5) dprintf(STDERR_FILENO, "%zu KiB at the peak, %zu KiB left\n", peak, left);
    for (size_t i = 0; i < survivors; ++i) {
        CHECK(holds(kept[i], 64, i));
        free(kept[i]);
    }
    return 0;
}
