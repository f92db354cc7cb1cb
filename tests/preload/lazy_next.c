// A malloc that makes itself ready in its first call, without a lock: a second thread's call that comes
// meanwhile ends the program.
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

void* __libc_malloc(size_t);
void __libc_free(void*);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);

static volatile enum { unready, starting, ready } state;

static void start(void) {
    if (state == ready) return;
    if (state == starting) abort();
    state = starting;
    usleep(1000);
    state = ready;
}

void* malloc(size_t bytes) {
    start();
    return __libc_malloc(bytes);
}
void free(void* pointer) { __libc_free(pointer); }
void* calloc(size_t count, size_t bytes) {
    start();
    return __libc_calloc(count, bytes);
}
void* realloc(void* pointer, size_t bytes) {
    start();
    return __libc_realloc(pointer, bytes);
}
