// How much memory, how many mappings, and which of them are ours.
#pragma once

#include "probe.h"

// Calls back for each line of a file of /proc, read without allocating and from one consistent end to the
// other.
static inline void each_line(const char* path, void (*take)(char* line, void* to), void* to) {
    static char text[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    size_t length = 0;
    for (ssize_t n; (n = read(fd, text + length, sizeof text - 1 - length)) > 0;) length += (size_t)n;
    close(fd);
    CHECK(length > 0 && length < sizeof text - 1);
    text[length] = '\0';
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        take(line, to);
    }
}

// Objects in a list through their first words, so that the program needs no memory of its own for them.
struct link {
    struct link* next;
};
__attribute__((unused)) static inline size_t list_free(struct link* list) {
    size_t count = 0;
    while (list != NULL) {
        struct link* next = list->next;
        free(list);
        list = next;
        ++count;
    }
    return count;
}
// Adds objects of 64 to 768 bytes until `bytes` were asked for or malloc fails with ENOMEM; returns what was
// had.
__attribute__((unused)) static inline size_t list_grow(struct link** list, size_t bytes, uint64_t* random) {
    size_t had = 0;
    while (had < bytes) {
        size_t n = random_size(random, 64, 768);
        errno = 0;
        struct link* made = hide(malloc(n));
        if (made == NULL) {
            CHECK(errno == ENOMEM);
            break;
        }
        memset(made, 1, n);
        made->next = *list;
        *list = made;
        had += n;
    }
    return had;
}
