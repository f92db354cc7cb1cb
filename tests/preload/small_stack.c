// The family works on the smallest stack a thread may have, beside a full frame of the program's own.
#include <limits.h>
#include <malloc.h>

#include "busy.h"

static void* body(void* unused) {
    char frame[4096];
    hide(frame);
    void* made[100];
    for (int round = 0; round < 20; ++round) {
        for (size_t i = 0; i < 100; ++i) made[i] = make(30 + i * 8, i);
        for (size_t i = 0; i < 100; ++i) CHECK((made[i] = realloc(made[i], 900 - i * 8)) != NULL);
        for (size_t i = 0; i < 100; ++i) free(made[i]);
    }
    free(memalign(128, 100)), free(calloc(3, 100));
    malloc_trim(0);
    return unused;
}

int main(void) {
    probe_start();
    end_if_stuck();
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0);
    for (int i = 0; i < 20; ++i) {
        pthread_t thread;
        CHECK(pthread_create(&thread, &attributes, body, NULL) == 0);
        join(thread);
    }
    return 0;
}
