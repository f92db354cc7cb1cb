// A program with a malloc of its own that counts and passes on to __libc_malloc, as many do.
#include "probe.h"

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void __libc_free(void*);

static size_t calls;

void* malloc(size_t n) {
    ++calls;
    return __libc_malloc(n);
}
void* calloc(size_t count, size_t n) {
    ++calls;
    return __libc_calloc(count, n);
}
void* realloc(void* p, size_t n) {
    ++calls;
    return __libc_realloc(p, n);
}
void free(void* p) {
    ++calls;
    __libc_free(p);
}

int main(void) {
    probe_start();
    for (size_t n = 1; n < 2000; ++n) {
        void *p = make(n, n), *zero = calloc(1, n);
        CHECK(all_bytes(zero, n, 0));
        p = realloc(p, 2000 - n);
        CHECK(p != NULL && holds(p, n < 1000 ? n : 2000 - n, n));
        free(p), free(zero);
        char* text = NULL;
        CHECK(asprintf(&text, "%0*d", (int)n, 7) == (int)n);
        char* copy = strdup(text);
        CHECK(copy != NULL && strcmp(copy, text) == 0);
        free(copy), free(text);
    }
    CHECK(calls > 8000);
    return 0;
}
