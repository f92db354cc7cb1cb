// A program that clears and rewrites its environment, then allocates, frees and execs, is not disturbed.
#include <sys/wait.h>

#include "probe.h"

extern char** environ;

int main(void) {
    probe_start();
    char* const saved_path = getenv("PATH");
    CHECK(saved_path != NULL && setenv("KEPT_PATH", saved_path, 1) == 0);
    CHECK(clearenv() == 0 && environ == NULL);
    for (size_t n = 1; n < 1000; ++n) free(make(n, n));
    for (size_t i = 0; i < 500; ++i) {
        char name[32], value[700];
        snprintf(name, sizeof name, "NAME_%zu", i);
        memset(value, 'v', sizeof value);
        value[i + 50] = '\0';
        CHECK(setenv(name, value, 1) == 0 && strlen(getenv(name)) == i + 50);
    }
    CHECK(clearenv() == 0);
    pid_t child = fork();
    if (child == 0) {
        free(make(100, 1));
        char* const none[] = {NULL};
        environ = NULL;
        execle("/bin/true", "true", (char*)NULL, none);
        _exit(127);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    static char* own[] = {(char*)(uintptr_t) "TSLAB_DISABLE=1", NULL};
    environ = own;
    void* p = make(100, 1);
    CHECK(!is_next(p));
    free(p);
    return 0;
}
