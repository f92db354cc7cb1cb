// What the programs here share: proof that the library is loaded, whom a pointer belongs to, and checks that
// end the program. A program that returns 0 behaved; what it writes on stdout are the very lines due on
// stderr (see run).
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noreturn, cold)) static inline void probe_failed(const char* file, int line,
                                                                const char* what) {
    dprintf(STDERR_FILENO, "%s:%d: not so: %s (errno %d)\n", file, line, what, errno);
    _exit(1);
}
#define CHECK(condition) ((condition) ? (void)0 : probe_failed(__FILE__, __LINE__, #condition))

// Ends a program for which this machine lacks what it needs; ctest counts it as skipped.
__attribute__((noreturn, unused)) static inline void skip(const char* why) {
    dprintf(STDERR_FILENO, "skipped: %s\n", why);
    _exit(77);
}

// The compiler must not know what a pointer or size is: else it removes, folds or warns about what we do with
// it.
__attribute__((unused)) static inline void* hide(void* p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}
__attribute__((unused)) static inline size_t hide_size(size_t n) {
    __asm__ volatile("" : "+r"(n));
    return n;
}

// Null in a plain run: PROBE_PLAIN in the environment says that the program runs without the library, to test
// the test.
static int (*probe_owns)(const void*);

// Comes first in every main.
__attribute__((unused)) static inline void probe_start(void) {
    const char* (*version)(void) = (const char* (*)(void))dlsym(RTLD_DEFAULT, "tslab_version");
    probe_owns = (int (*)(const void*))dlsym(RTLD_DEFAULT, "tslab_owns");
    if (getenv("PROBE_PLAIN") != NULL) {
        CHECK(version == NULL && probe_owns == NULL);
    } else {
        CHECK(version != NULL && version()[0] != '\0' && probe_owns != NULL);
    }
}

// Without the library both are 0, so programs say `!is_next(p)` for "ours" and `!is_ours(p)` for "next's".
__attribute__((unused)) static inline int is_ours(const void* p) {
    return probe_owns != NULL && probe_owns(p);
}
__attribute__((unused)) static inline int is_next(const void* p) {
    return probe_owns != NULL && !probe_owns(p);
}

// Contents that another object, another offset or zeroes would not show.
static inline unsigned char pattern(uint64_t seed, size_t i) {
    return (unsigned char)((seed * 0x9E3779B97F4A7C15u >> 56) + i * 37 + 1);
}
__attribute__((unused)) static inline void fill(void* p, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; ++i) ((unsigned char*)p)[i] = pattern(seed, i);
}
__attribute__((unused)) static inline int holds(const void* p, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; ++i)
        if (((const unsigned char*)p)[i] != pattern(seed, i)) return 0;
    return 1;
}
__attribute__((unused)) static inline int all_bytes(const void* p, size_t n, unsigned char byte) {
    for (size_t i = 0; i < n; ++i)
        if (((const unsigned char*)p)[i] != byte) return 0;
    return 1;
}

__attribute__((unused)) static inline int is_aligned(const void* p, size_t alignment) {
    return (uintptr_t)p % alignment == 0;
}

// An object of ours, filled: malloc must serve it, aligned and with room.
__attribute__((unused)) static inline void* make(size_t n, uint64_t seed) {
    void* p = hide(malloc(n));
    CHECK(p != NULL && is_aligned(p, 16));
    fill(p, n, seed);
    return p;
}

// xorshift64*: the same numbers in every run.
__attribute__((unused)) static inline uint64_t random_next(uint64_t* state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1Du;
}
__attribute__((unused)) static inline size_t random_size(uint64_t* state, size_t least, size_t most) {
    return least + random_next(state) % (most - least + 1);
}

// A line of /proc/self/status in KiB, such as "VmRSS:", read without allocating.
__attribute__((unused)) static inline size_t status_kib(const char* line) {
    char text[8192];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    CHECK(n > 0);
    text[n] = '\0';
    const char* found = strstr(text, line);
    CHECK(found != NULL);
    return strtoul(found + strlen(line), NULL, 10);
}

// A program that hangs is ended by the kernel, and so are the children it left (each must call this again).
// PROBE_SECONDS in the environment says after how long, on a slow machine.
__attribute__((unused)) static inline void end_if_stuck(void) {
    const char* seconds = getenv("PROBE_SECONDS");
    alarm(seconds != NULL ? (unsigned)strtoul(seconds, NULL, 10) : 60);
}
