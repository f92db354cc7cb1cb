#include <dlfcn.h>
#include <stdlib.h>

int main(int count, char** arguments) {
    void* plugin = count > 1 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (plugin == NULL) return 2;
    int (*use)(const char*) = (int (*)(const char*))dlsym(plugin, "plugin_uses_api");
    return use != NULL ? use(getenv("PROBE_PLAIN") ? "absent" : "active") : 3;
}
