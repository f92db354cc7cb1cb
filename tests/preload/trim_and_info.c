// malloc_trim, mallopt, mallinfo, mallinfo2, malloc_info and malloc_stats work and tell about next's blocks.
#include <malloc.h>

#include "probe.h"

int main(void) {
    probe_start();
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    void* large = make(3000000, 1);
    CHECK(mallinfo2().uordblks + mallinfo2().hblkhd >= before + 3000000);
    CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 1);

    char* text = NULL;
    size_t length = 0;
    FILE* stream = open_memstream(&text, &length);
    CHECK(stream != NULL && malloc_info(0, stream) == 0 && fclose(stream) == 0);
    CHECK(strstr(text, "<malloc version") != NULL);
    free(text);

    int saved = dup(STDERR_FILENO);
    char path[] = "/tmp/tslab-malloc-stats-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0 && unlink(path) == 0 && dup2(file, STDERR_FILENO) >= 0);
    malloc_stats();
    fflush(stderr);
    CHECK(dup2(saved, STDERR_FILENO) >= 0 && lseek(file, 0, SEEK_END) > 20);

    // Survivors between what is freed, pages of their own and shared.
    enum { objects = 20000 };
    static void* made[objects];
    for (size_t i = 0; i < objects; ++i) made[i] = make(64 + i % 700, i);
    for (size_t i = 0; i < objects; ++i)
        if (i % 47 != 0) free(made[i]);
    malloc_trim(0);
    for (size_t i = 0; i < objects; ++i)
        if (i % 47 != 0) made[i] = make(64 + i % 700, i);
    for (size_t i = 0; i < objects; ++i) CHECK(holds(made[i], 64 + i % 700, i));
    CHECK(holds(large, 3000000, 1));
    for (size_t i = 0; i < objects; ++i) free(made[i]);
    free(large);
    return 0;
}
