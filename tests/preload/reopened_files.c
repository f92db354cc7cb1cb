// What a program opens after it closed every file is its own: nothing is read from it or written to it.
#include "probe.h"

enum { FILES = 8, BYTES = 10 };

static const char content[] = "0123456789";

// At depths that differ, so that a stack's pages are new to whoever walks it.
static void allocate_at(unsigned depth) {
    volatile char frame[3000];
    frame[0] = 0;
    if (depth > 0) allocate_at(depth - 1);
    for (size_t n = 0; depth == 0 && n < 3000; ++n) free(make(n % 700, n));
    frame[1] = frame[0];
}

int main(void) {
    probe_start();
    for (int file = 3; file < 500; ++file) close(file);
    int files[FILES];
    for (int i = 0; i < FILES; ++i) {
        char path[] = "/tmp/tslab-reopened-files-XXXXXX";
        files[i] = mkstemp(path);
        CHECK(files[i] >= 0 && unlink(path) == 0);
        CHECK(write(files[i], content, BYTES) == BYTES && lseek(files[i], 0, SEEK_SET) == 0);
    }
    for (unsigned i = 0; i < 60; ++i) allocate_at(i * 7 % 50);
    for (int i = 0; i < FILES; ++i) {
        char found[BYTES + 1];
        CHECK(lseek(files[i], 0, SEEK_CUR) == 0);
        CHECK(pread(files[i], found, sizeof found, 0) == BYTES && memcmp(found, content, BYTES) == 0);
    }
    return 0;
}
