// dlopen_close PLUGIN: a plugin that allocates in constructor and destructor is opened and closed again and
// again, by several threads; what it made outlives it, and threads whose first malloc is that of its
// thread-local storage work.
#include "busy.h"

static const char* path;
typedef void* (*make_fn)(size_t);
typedef int (*touch_fn)(void);
static touch_fn touch;

static void* open_and_close(void* rounds) {
    for (size_t round = 0; round < (uintptr_t)rounds; ++round) {
        void* plugin = dlopen(path, round % 2 ? RTLD_NOW | RTLD_LOCAL : RTLD_LAZY | RTLD_GLOBAL);
        CHECK(plugin != NULL);
        make_fn plugin_make = (make_fn)dlsym(plugin, "plugin_make");
        CHECK(plugin_make != NULL);
        void *outlives = plugin_make(200), *too = plugin_make(2000);
        CHECK(dlclose(plugin) == 0);
        CHECK(!is_next(outlives) && holds(outlives, 200, 200) && holds(too, 2000, 2000));
        free(outlives), free(too);
        CHECK(dlopen("/nowhere/nothing.so", RTLD_NOW) == NULL && strstr(dlerror(), "nothing.so") != NULL);
        CHECK(dlsym(RTLD_DEFAULT, "no_such_symbol") == NULL && dlerror() != NULL);
    }
    return NULL;
}
static void* touch_first(void* unused) {
    CHECK(touch());
    return unused;
}

int main(int argc, char** argv) {
    probe_start();
    end_if_stuck();
    CHECK(argc == 2);
    path = argv[1];
    open_and_close((void*)50);
    pthread_t threads[] = {start(open_and_close, 50), start(open_and_close, 50)};
    join(threads[0]), join(threads[1]);

    void* plugin = dlopen(path, RTLD_NOW);
    CHECK(plugin != NULL);
    touch = (touch_fn)dlsym(plugin, "plugin_touch");
    CHECK(touch != NULL);
    for (int i = 0; i < 300; ++i) join(start(touch_first, 0));
    CHECK(touch());
    CHECK(dlclose(plugin) == 0);

    // A handle of the program itself, and flags as they are.
    CHECK(dlopen(NULL, RTLD_NOW) != NULL);
    CHECK(dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD) != NULL &&
          dlopen("libnothing.so", RTLD_LAZY | RTLD_NOLOAD) == NULL);
    return 0;
}
