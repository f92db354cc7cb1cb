// deepbind PLUGIN: objects pass between the program and a plugin opened with RTLD_DEEPBIND, each freeing what
// the other made. With TSLAB_DEEPBIND=0 the flag stays, and the plugin's objects are not ours.
#include "probe.h"

int main(int argc, char** argv) {
    probe_start();
    CHECK(argc == 2);
    const char* option = getenv("TSLAB_DEEPBIND");
    int left_alone = option != NULL && strcmp(option, "0") == 0;
    void* plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    CHECK(plugin != NULL);
    void (*plugin_free)(void*) = (void (*)(void*))dlsym(plugin, "plugin_free");
    void* (*plugin_malloc)(size_t) = (void* (*)(size_t))dlsym(plugin, "plugin_malloc");
    char* (*plugin_strdup)(const char*) = (char* (*)(const char*))dlsym(plugin, "plugin_strdup");
    CHECK(plugin_free != NULL && plugin_malloc != NULL && plugin_strdup != NULL);
    // RTLD_LOCAL stayed.
    CHECK(dlsym(RTLD_DEFAULT, "plugin_free") == NULL);

    char text[200];
    memset(text, 't', sizeof text);
    text[199] = '\0';
    for (int i = 0; i < 1000; ++i) {
        void* made = plugin_malloc(100);
        CHECK(made != NULL && (left_alone ? !is_ours(made) : !is_next(made)));
        fill(made, 100, 1);
        free(made);
        char* copy = plugin_strdup(text);
        CHECK(copy != NULL && strcmp(copy, text) == 0);
        free(copy);
        if (!left_alone) {
            plugin_free(make(100, 1));
            plugin_free(make(500, 1));
        }
        plugin_free(make(2000, 1));
    }
    CHECK(dlclose(plugin) == 0);
    return 0;
}
