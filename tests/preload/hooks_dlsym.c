// A preload library, the next after ours, whose dlsym allocates before it answers, as tracers' do: before
// next can be known. What it kept then, a program gets from hooked_kept.
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

enum { most = 64 };
static void* kept[most];
static size_t count;

size_t hooked_kept(void*** pointers);
size_t hooked_kept(void*** pointers) {
    *pointers = kept;
    return count;
}

static void allocate(void) {
    static const size_t sizes[] = {20, 100, 500, 1500};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
        char *p = malloc(sizes[i]), *zero = calloc(1, sizes[i]);
        if (p == NULL || zero == NULL || zero[0] != 0 || zero[sizes[i] - 1] != 0) abort();
        memset(p, 'k', sizes[i]);
        free(zero);
        p = realloc(p, sizes[i] * 2);
        if (p == NULL || p[0] != 'k' || p[sizes[i] - 1] != 'k') abort();
        if (count < most)
            kept[count++] = p;
        else
            free(p);
    }
}

// Found as the C library's by version, since the name now means this function.
typedef void* (*dlsym_fn)(void*, const char*);
void* dlsym(void* handle, const char* name) {
    static dlsym_fn real;
    static const char* const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
    for (size_t i = 0; real == NULL && i < sizeof versions / sizeof versions[0]; ++i)
        real = (dlsym_fn)dlvsym(RTLD_NEXT, "dlsym", versions[i]);
    static int inside;
    if (!inside && count < most) {
        inside = 1;
        allocate();
        inside = 0;
    }
    return real(handle, name);
}
