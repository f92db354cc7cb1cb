// With every file closed, stderr included, misuse is still harmless, and what there is to say is not written
// to what the program opens next as number 2.
#include <sys/stat.h>

#include "probe.h"

int main(void) {
    probe_start();
    char path[] = "/tmp/tslab-closed-files-XXXXXX";
    int made = mkstemp(path);
    CHECK(made >= 0 && unlink(path) == 0);
    int kept = dup2(made, 500);
    for (int fd = 0; fd < 500; ++fd) close(fd);
    char* p = make(100, 1);
    free(p);
    free(hide(p));
    for (size_t n = 0; n < 2000; ++n) free(make(n, n));
    CHECK(dup2(kept, STDIN_FILENO) == 0 && dup(0) == 1 && dup(0) == 2);
    p = make(100, 1);
    free(hide(p + 3));
    CHECK(realloc(hide(p + 16), 100) == NULL);
    free(p);
    CHECK(realloc(hide(p), 100) == NULL);
    struct stat file;
    CHECK(fstat(2, &file) == 0 && file.st_size == 0);
    return 0;
}
