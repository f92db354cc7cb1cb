// A program built with AddressSanitizer keeps its allocator and its checks; we serve nothing.
#include <sys/wait.h>

#include "busy.h"

int main(void) {
    probe_start();
    void* p = make(100, 1);
    CHECK(!is_ours(p));
    free(p);
    void* version = dlsym(RTLD_DEFAULT, "tslab_version");
    Dl_info info;
    if (version != NULL && dladdr(version, &info) != 0) {
        // Even whoever reaches our malloc is passed on.
        void* library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
        CHECK(library != NULL);
        p = ((void* (*)(size_t))dlsym(library, "malloc"))(100);
        CHECK(p != NULL && !is_ours(p));
        ((void (*)(void*))dlsym(library, "free"))(p);
    }
    join(start(busy_some, 2000));
    table_empty();

    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        char* gone = make(100, 1);
        free(gone);
        return *(volatile char*)hide(gone) * 0;
    }
    int status = 0;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(!(WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return 0;
}
