// Allocations before main: in an IFUNC resolver of the program, in .preinit_array (with no environment to
// read) and in the earliest constructor. They live on into main, are 16-aligned, and can be grown and freed
// there.
#include <malloc.h>

#include "probe.h"

extern char** environ;

enum { when = 3, sizes = 40 };
static void *made[when][sizes], *zeroed[when];

static size_t size_of(size_t i) { return 1 + i * 25; }

static void make_all(size_t at) {
    for (size_t i = 0; i < sizes; ++i) {
        void* temporary = malloc(size_of(i));
        made[at][i] = make(size_of(i), at * 100 + i);
        free(temporary);
    }
    made[at][0] = realloc(made[at][0], size_of(0) + 200);
    zeroed[at] = calloc(5, 100);
}

static int answer(void) { return 7; }
// Runs while the program is being relocated; only what is linked -z now is callable by then.
__attribute__((used)) static int (*resolve(void))(void) {
    make_all(0);
    return answer;
}
int chosen(void) __attribute__((ifunc("resolve")));

static void preinit(void) {
    char** saved = environ;
    environ = NULL;
    make_all(1);
    environ = saved;
}
__attribute__((section(".preinit_array"), used)) static void (*preinit_entry)(void) = preinit;

static void __attribute__((constructor(101))) construct(void) { make_all(2); }

int main(void) {
    probe_start();
    CHECK(chosen() == 7);
    for (size_t at = 0; at < when; ++at) {
        CHECK(made[at][0] != NULL && zeroed[at] != NULL);
        CHECK(all_bytes(zeroed[at], 500, 0));
        for (size_t i = 0; i < sizes; ++i) {
            CHECK(malloc_usable_size(made[at][i]) >= size_of(i));
            CHECK(holds(made[at][i], size_of(i), at * 100 + i));
            void* moved = realloc(made[at][i], 1000 - size_of(i) / 2);
            CHECK(moved != NULL && holds(moved, size_of(i) < 500 ? size_of(i) : 400, at * 100 + i));
            free(moved);
        }
        free(zeroed[at]);
    }
    // By the earliest constructor at the latest, ours are ours; before that next may have served.
    void* now = make(100, 1);
    CHECK(!is_next(now));
    free(now);
    return 0;
}
