// misuse HOW owner|other report|ignore|abort: the misused pointer changes nothing, is named once in the line
// due, and everything else goes on: a free or realloc of what is not a live object's start, by its owner or
// another thread.
#include <malloc.h>
#include <pthread.h>

#include "probe.h"

enum { objects = 300, size = 200 };
static const char *how, *setting;
static char *neighbours[objects], *later[objects * 4];
static char *live, *freed, *moved_from, *never;
static int reported[4];

static void free_misused(void* p, const char* kind, int* done) {
    if (strcmp(setting, "abort") == 0) {
        dprintf(STDOUT_FILENO, "temporal-slab: %s free of %p: aborting\n", kind, p);
    } else if (strcmp(setting, "report") == 0 && !*done) {
        dprintf(STDOUT_FILENO, "temporal-slab: %s free of %p ignored\n", kind, p);
    }
    *done = 1;
    free(hide(p));
}

static void realloc_misused(void* p, size_t n, const char* kind, int* done) {
    if (strcmp(setting, "abort") == 0) {
        dprintf(STDOUT_FILENO, "temporal-slab: %s %p: aborting\n", kind, p);
    } else if (strcmp(setting, "report") == 0 && !*done) {
        dprintf(STDOUT_FILENO, "temporal-slab: %s %p ignored\n", kind, p);
    }
    *done = 1;
    errno = 0;
    CHECK(realloc(hide(p), hide_size(n)) == NULL && errno == EINVAL);
}

static int is_asked(const char* name) { return strcmp(how, name) == 0 || strcmp(how, "all") == 0; }

static void* misuse(void* unused) {
    if (is_asked("double"))
        for (int i = 0; i < 3; ++i) free_misused(freed, "double", &reported[0]);
    // The old address of what realloc moved is a freed object too.
    if (is_asked("stale"))
        for (int i = 0; i < 3; ++i) free_misused(moved_from, "double", &reported[0]);
    if (is_asked("interior")) {
        static const size_t offsets[] = {1, 8, 16, 100, size - 1, size + 7};
        for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; ++i)
            free_misused(live + offsets[i], "invalid", &reported[1]);
    }
    if (is_asked("never"))
        for (size_t i = 0; i < 64; ++i) free_misused(never + i * 16, "invalid", &reported[1]);
    if (is_asked("realloc_freed")) {
        realloc_misused(freed, 100, "realloc of freed", &reported[2]);
        realloc_misused(freed, size, "realloc of freed", &reported[2]);
        realloc_misused(moved_from, 5000, "realloc of freed", &reported[2]);
    }
    if (is_asked("realloc_interior")) {
        realloc_misused(live + 16, 100, "invalid realloc of", &reported[3]);
        realloc_misused(live + 1, 5000, "invalid realloc of", &reported[3]);
        realloc_misused(never, 20, "invalid realloc of", &reported[3]);
    }
    return unused;
}

// As many as hold the misused slots several times over: each one's own, and where no live object lies.
static void check_all_else(void) {
    for (size_t i = 0; i < objects * 4; ++i) later[i] = make(size, i + 1000);
    for (size_t i = 0; i < objects * 4; ++i) {
        CHECK(holds(later[i], size, i + 1000));
        CHECK(later[i] != live);
        CHECK(i == 0 || later[i] != later[i - 1]);
    }
    for (size_t i = 0; i < objects; ++i) CHECK(holds(neighbours[i], size, i));
    CHECK(holds(live, size, 7) && malloc_usable_size(live) >= size);
    for (size_t i = 0; i < objects * 4; ++i) free(later[i]);
    for (size_t i = 0; i < objects; ++i) free(neighbours[i]);
    free(live);
}

int main(int argc, char** argv) {
    probe_start();
    CHECK(argc == 4);
    how = argv[1];
    setting = argv[3];

    // The misused slots lie among live neighbours.
    for (size_t i = 0; i < objects; ++i) {
        neighbours[i] = make(size, i);
        if (i == 100) live = make(size, 7);
        if (i == 150) freed = make(size, 8);
        if (i == 200) moved_from = make(size, 9);
    }
    CHECK(is_ours(live));
    free(freed);
    char* moved = hide(realloc(hide(moved_from), 700));
    CHECK(moved != NULL && moved != moved_from && holds(moved, size, 9));
    // Far beyond what has been handed out, yet ours.
    for (size_t distance = (size_t)1 << 34; distance > 1 << 20 && never == NULL; distance /= 2) {
        char* far = (char*)((uintptr_t)live + distance);
        if (is_ours(far) && is_ours(far + 4096)) never = far;
    }
    CHECK(never != NULL);

    if (strcmp(argv[2], "other") == 0) {
        pthread_t other;
        CHECK(pthread_create(&other, NULL, misuse, NULL) == 0 && pthread_join(other, NULL) == 0);
    } else {
        misuse(NULL);
    }
    check_all_else();
    free(moved);
    return 0;
}
