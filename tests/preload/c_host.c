// c_host PLUGIN: a C program without libstdc++ opens a C++ plugin whose failing operator new must throw
// there.
#include "probe.h"

int main(int argc, char** argv) {
    probe_start();
    CHECK(argc == 2 && dlsym(RTLD_DEFAULT, "__cxa_throw") == NULL);
    for (int round = 0; round < 3; ++round) {
        void* plugin = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
        CHECK(plugin != NULL);
        int (*survives)(size_t) = (int (*)(size_t))dlsym(plugin, "plugin_survives");
        CHECK(survives != NULL && survives(hide_size(PTRDIFF_MAX)) == 4);
        CHECK(dlclose(plugin) == 0);
    }
    return 0;
}
