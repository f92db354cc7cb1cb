// A preload library that replaces mmap, munmap, mprotect, madvise and open, and allocates inside them, as
// tracers do.
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static void allocate(void) {
    static const size_t sizes[] = {20, 100, 500, 5000};
    static __thread int inside;
    if (inside++ == 0)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; ++i) {
            char* p = malloc(sizes[i]);
            if (p == NULL) abort();
            memset(p, 1, sizes[i]);
            free(p);
        }
    --inside;
}

void* mmap(void* at, size_t length, int protection, int flags, int fd, off_t offset) {
    allocate();
    return (void*)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}
int munmap(void* at, size_t length) {
    allocate();
    return (int)syscall(SYS_munmap, at, length);
}
int mprotect(void* at, size_t length, int protection) {
    allocate();
    return (int)syscall(SYS_mprotect, at, length, protection);
}
int madvise(void* at, size_t length, int advice) {
    allocate();
    return (int)syscall(SYS_madvise, at, length, advice);
}
int open(const char* path, int flags, ...) {
    allocate();
    va_list list;
    va_start(list, flags);
    int mode = va_arg(list, int);
    va_end(list);
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
