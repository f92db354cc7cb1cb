// 1,000 threads that each allocate once from us and then sleep take at most four pages of memory each for it.
#include <limits.h>

#include "busy.h"

enum { threads = 1000 };
static pthread_barrier_t step;

static void* body(void* unused) {
    // next's own share comes first.
    void* small = make(32, 1);
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    void* p = make(100, 1);
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    free(p), free(small);
    return unused;
}

int main(void) {
    probe_start();
    end_if_stuck();
    static pthread_t ids[threads];
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, small_stack()) == 0);
    CHECK(pthread_barrier_init(&step, NULL, threads + 1) == 0);
    for (size_t i = 0; i < threads; ++i) CHECK(pthread_create(&ids[i], &attributes, body, NULL) == 0);
    pthread_barrier_wait(&step);
    size_t before = status_kib("VmRSS:");
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    CHECK(status_kib("VmRSS:") < before + threads * 4 * (size_t)sysconf(_SC_PAGESIZE) / 1024);
    pthread_barrier_wait(&step);
    for (size_t i = 0; i < threads; ++i) join(ids[i]);
    return 0;
}
