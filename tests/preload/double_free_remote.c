// A double free is caught whoever frees first and second: owner then other, other then owner, other then
// other, a third thread, and after the owner ended. Only one line is due; nothing is handed out twice
// afterwards.
#include "busy.h"

enum { objects = 600 };
static void *made[objects], *later[objects * 2];

static void* make_all(void* unused) {
    for (size_t i = 0; i < objects; ++i) made[i] = make(64 + i % 10, i);
    return unused;
}
static void* free_even(void* unused) {
    for (size_t i = 0; i < objects; i += 2) free(hide(made[i]));
    return unused;
}
static void* free_all(void* unused) {
    for (size_t i = 0; i < objects; ++i) free(hide(made[i]));
    return unused;
}

static int by_address(const void* a, const void* b) {
    uintptr_t x = *(const uintptr_t*)a, y = *(const uintptr_t*)b;
    return x < y ? -1 : x > y;
}
static void check_later(void) {
    for (size_t i = 0; i < objects * 2; ++i) later[i] = make(64 + i % 10, i);
    for (size_t i = 0; i < objects * 2; ++i) CHECK(holds(later[i], 64 + i % 10, i));
    qsort(later, objects * 2, sizeof later[0], by_address);
    for (size_t i = 1; i < objects * 2; ++i) CHECK(later[i] != later[i - 1]);
    for (size_t i = 0; i < objects * 2; ++i) free(later[i]);
}

int main(void) {
    probe_start();
    end_if_stuck();
    make_all(NULL);
    CHECK(is_ours(made[0]));
    dprintf(STDOUT_FILENO, "temporal-slab: double free of %p ignored\n", made[0]);
    // Owner, then other.
    free_even(NULL);
    join(start(free_all, 0));
    check_later();
    // Other, then owner; then both again.
    make_all(NULL);
    join(start(free_even, 0));
    free_all(NULL);
    join(start(free_all, 0));
    check_later();
    // Other, then a third; no free of the owner's in between.
    make_all(NULL);
    join(start(free_even, 0));
    join(start(free_all, 0));
    check_later();
    // The owner has ended.
    join(start(make_all, 0));
    free_even(NULL);
    join(start(free_even, 0));
    free_all(NULL);
    check_later();
    return 0;
}
