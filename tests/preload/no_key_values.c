// To be preloaded behind the library: has no memory for the values of a thread's keys beyond the first 32.
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

void* calloc(size_t count, size_t bytes) {
    void* (*const next)(size_t, size_t) = (void* (*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    if (count != 32 || bytes != 2 * sizeof(void*)) return next(count, bytes);
    errno = ENOMEM;
    return NULL;
}
