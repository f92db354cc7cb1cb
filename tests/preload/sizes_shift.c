// Sizes grow from one phase to the next, shrink in the last ones, and of each phase every fifth object stays:
// what the smaller ones left serves the larger, and what those left the smaller again. Whatever a block was
// made of, it is aligned and cleared as asked, has the size that it says, and keeps its contents when it is
// resized.
#include <malloc.h>

#include "memory.h"

enum { phases = 8, phase_bytes = 16 << 20, most = phase_bytes / 112 };

static void* objects[phases][most];
static size_t counts[phases];
static size_t lent;

// Its own size, or that of a slot that was lent: up to half as much again.
static int has_size(void* p, size_t n) {
    size_t bytes = malloc_usable_size(p);
    lent += bytes != n;
    return bytes >= n && bytes * 2 <= n * 3;
}

static void* make_some_way(size_t n, size_t i) {
    void* p = NULL;
    switch (i % 4) {
        case 0:
            p = malloc(n);
            break;
        case 1:
            p = calloc(1, n);
            break;
        case 2:
            p = aligned_alloc(n & (0 - n), n);
            break;
        default:
            p = realloc(make(n / 2, i), n);
            break;
    }
    CHECK(p != NULL && !is_next(p));
    CHECK(has_size(p, n));
    if (i % 4 == 1) CHECK(all_bytes(p, malloc_usable_size(p), 0));
    if (i % 4 == 2) CHECK(is_aligned(p, n & (0 - n)));
    if (i % 4 == 3) CHECK(holds(p, n / 2, i));
    fill(p, malloc_usable_size(p), i);
    return p;
}

// It stays where it is as long as it fits, and is whole where it has to move.
static void* resize_some_way(void* p, size_t n, size_t i) {
    size_t room = malloc_usable_size(p);
    CHECK(realloc(p, room) == p);
    CHECK(realloc(p, n) == p);
    if (i % 2 == 0) return p;
    void* moved = realloc(p, 2 * n);
    CHECK(moved != NULL && holds(moved, room, i));
    moved = realloc(moved, n);
    CHECK(moved != NULL && holds(moved, n, i));
    CHECK(has_size(moved, n));
    fill(moved, malloc_usable_size(moved), i);
    return moved;
}

int main(void) {
    static const size_t sizes[phases] = {112, 160, 256, 320, 512, 640, 480, 400};
    probe_start();
    size_t before = status_kib("VmRSS:"), live = 0;
    for (int phase = 0; phase < phases; ++phase) {
        size_t n = hide_size(sizes[phase]);
        counts[phase] = phase_bytes / n;
        for (size_t i = 0; i < counts[phase]; ++i) objects[phase][i] = make_some_way(n, i);
        for (size_t i = 0; i < counts[phase]; ++i) {
            void* p = objects[phase][i];
            CHECK(holds(p, malloc_usable_size(p), i));
            if (phase < phases - 1 && i % 5 == 0) {
                objects[phase][i] = resize_some_way(p, n, i);
                live += n;
            } else if (phase < phases - 1) {
                free(p);
                objects[phase][i] = NULL;
            }
        }
    }
    CHECK(lent > 1000);
    size_t resident = status_kib("VmRSS:") - before, needed = (live + phase_bytes) / 1024;
    if (resident >= needed / 2 * 5) {
        dprintf(STDERR_FILENO, "%zu KiB of objects, %zu KiB resident\n", needed, resident);
        return 1;
    }
    for (int phase = 0; phase < phases; ++phase) {
        for (size_t i = 0; i < counts[phase]; ++i) {
            void* p = objects[phase][i];
            CHECK(p == NULL || holds(p, malloc_usable_size(p), i));
            free(p);
        }
    }
    return 0;
}
