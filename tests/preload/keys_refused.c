// Where the C library has no memory for a thread's value of our key, the thread's end would go unnoticed: it
// is not served, and leaves no heap behind.
#include <pthread.h>

#include "memory.h"
#include "probe.h"

enum { keys = 40, threads = 2000 };
static pthread_key_t made[keys];

static void make_keys(void) {
    for (size_t i = 0; i < keys; ++i) pthread_key_create(&made[i], NULL);
}
// Before the library's constructor, so that its key comes after these.
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = make_keys;

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
