// The first key of a process is the program's, as without the library: one that uses a key it has not made
// gets the error it would get, and harms nothing.
#include <errno.h>

#include "busy.h"

static void* use(void* unused) {
    free(make(100, 1));
    return unused;
}

int main(void) {
    probe_start();
    free(make(100, 1));
    pthread_key_t key = 0;
    CHECK(pthread_setspecific(key, &key) == EINVAL);
    CHECK(pthread_getspecific(key) == NULL);
    CHECK(pthread_key_delete(key) == EINVAL);
    CHECK(pthread_key_create(&key, NULL) == 0 && key == 0);
    CHECK(pthread_setspecific(key, &key) == 0);
    join(start(use, 0));
    pid_t child = fork();
    if (child == 0) {
        free(make(200, 2));
        join(start(use, 0));
        _exit(0);
    }
    wait_for(child, 0);
    return 0;
}
