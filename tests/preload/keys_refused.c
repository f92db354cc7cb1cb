// Where the C library has no memory for a thread's value of our key, the thread's end would go unnoticed: it
// is not served, and leaves no heap behind.
#include "keys.h"
#include "memory.h"
#include "probe.h"

enum { threads = 2000 };

static void* take(void* unused) {
    char* const object = hide(malloc(100));
    CHECK(object != NULL && !is_ours(object));
    free(object);
    return unused;
}

int main(void) {
    probe_start();
    size_t before = 0;
    for (size_t i = 0; i < threads; ++i) {
        if (i == 10) before = status_kib("VmRSS:");
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, take, NULL) == 0 && pthread_join(thread, NULL) == 0);
    }
    CHECK(status_kib("VmRSS:") <= before + 1024);
    return 0;
}
