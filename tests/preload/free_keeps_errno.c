// free leaves errno alone: for our objects and next's, the owner's and another thread's, when the report of a
// misuse could not be written, and in the frees that give pages back.
#include <pthread.h>

#include "probe.h"

enum { objects = 40000 };
static void* made[objects];

static void* free_all(void* unused) {
    errno = 4321;
    for (size_t i = 0; i < objects; ++i) {
        free(made[i]);
        CHECK(errno == 4321);
    }
    return unused;
}
static void make_all(void) {
    for (size_t i = 0; i < objects; ++i) made[i] = make(i % 100 == 0 ? 200000 : i % 1000 + 1, i);
}

int main(void) {
    probe_start();
    make_all();
    free_all(NULL);
    make_all();
    pthread_t other;
    CHECK(pthread_create(&other, NULL, free_all, NULL) == 0 && pthread_join(other, NULL) == 0);

    errno = 4321;
    free(hide(NULL));
    CHECK(errno == 4321);

    char* p = make(100, 1);
    if (is_ours(p)) {
        int saved = dup(STDERR_FILENO);
        close(STDERR_FILENO);
        errno = 4321;
        free(hide(p + 16));
        int after = errno;
        CHECK(dup2(saved, STDERR_FILENO) == STDERR_FILENO && after == 4321);
        free(p);
    }
    return 0;
}
