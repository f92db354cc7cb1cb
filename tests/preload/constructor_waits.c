// A library whose constructor waits for a thread that allocates until a profile has been written, which needs
// names from the loader.
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "probe.h"

static char path[4096];

static void* allocate_until_written(void* unused) {
    (void)unused;
    for (size_t n = 0; access(path, F_OK) != 0; n = (n + 1) % 700) free(make(64 + n, 1));
    return NULL;
}

__attribute__((constructor)) static void wait_for_profile(void) {
    snprintf(path, sizeof path, "%s.folded", getenv("TSLAB_PROFILE_FILE"));
    unlink(path);
    raise(SIGURG);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, allocate_until_written, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}
