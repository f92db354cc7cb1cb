// A program linked to a fixed address that takes malloc's: the loader then gives everybody the address of a
// stub in the program. That must not be taken for a malloc of the program's own.
#include "probe.h"

int main(void) {
    probe_start();
    // Assigned by code: initialised pointers would be filled in by the loader, without a stub.
    void* (*volatile allocate)(size_t) = malloc;
    void* (*volatile clear)(size_t, size_t) = calloc;
    void* (*volatile resize)(void*, size_t) = realloc;
    void (*volatile release)(void*) = free;
    for (size_t n = 10; n < 2000; n += 90) {
        char* p = allocate(n);
        CHECK(p != NULL && is_ours(p) == (n >= 64 && n <= 768));
        fill(p, n, n);
        p = resize(p, n + 50);
        CHECK(p != NULL && holds(p, n, n));
        release(p);
        release(clear(2, n));
    }
    return 0;
}
