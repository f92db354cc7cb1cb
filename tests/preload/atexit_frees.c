// Handlers of atexit and on_exit, destructors of every priority and .fini_array functions free what main and
// an ended thread made, and allocate. A parent counts that all of them ran and that the process ended well.
#include <sys/wait.h>

#include "busy.h"

enum { handlers = 5, objects = 100 };
static void* made[handlers][objects];
static int tell = -1;

static void* make_half(void* from) {
    for (size_t h = 0; h < handlers; ++h)
        for (size_t i = (uintptr_t)from; i < objects; i += 2) made[h][i] = make(64 + i * 7, i);
    return NULL;
}
static void handler(size_t h) {
    if (tell < 0) return;
    void* later[objects];
    for (size_t i = 0; i < objects; ++i) {
        CHECK(holds(made[h][i], 64 + i * 7, i));
        free(made[h][i]);
        later[i] = realloc(make(64 + i * 7, i + 1), 900 - i * 7);
    }
    for (size_t i = 0; i < objects; ++i) free(later[i]);
    CHECK(write(tell, "x", 1) == 1);
}

static void by_atexit(void) { handler(0); }
static void by_on_exit(int status, void* unused) {
    (void)unused;
    CHECK(status == 42);
    handler(1);
}
static void __attribute__((destructor)) by_destructor(void) { handler(2); }
static void __attribute__((destructor(101))) by_last_destructor(void) { handler(3); }
static void by_fini_array(void) { handler(4); }
__attribute__((section(".fini_array"), used)) static void (*fini)(void) = by_fini_array;

int main(void) {
    probe_start();
    end_if_stuck();
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        tell = ends[1];
        make_half(NULL);
        join(start(make_half, 1));
        CHECK(atexit(by_atexit) == 0 && on_exit(by_on_exit, NULL) == 0);
        exit(42);
    }
    close(ends[1]);
    char told[handlers + 1];
    size_t count = 0;
    for (ssize_t n; (n = read(ends[0], told, sizeof told)) > 0;) count += (size_t)n;
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK(count == handlers);
    return 0;
}
