// The heap grows to 300 MiB in all sizes, is freed and grows again: the number of mappings stays what it was.
#include "memory.h"

static void count_line(char* line, void* to) {
    // brk's is next's.
    if (strstr(line, "[heap]") == NULL) ++*(size_t*)to;
}
static size_t mappings(void) {
    size_t count = 0;
    each_line("/proc/self/maps", count_line, &count);
    return count;
}

int main(void) {
    probe_start();
    void* warm[769] = {NULL};
    for (size_t n = 64; n <= 768; ++n) warm[n] = make(n, n);
    size_t before = mappings();
    uint64_t random = 1;
    struct link* list = NULL;
    for (int step = 0; step < 30; ++step) {
        CHECK(list_grow(&list, 10 << 20, &random) >= 10 << 20);
        CHECK(mappings() == before);
    }
    for (int round = 0; round < 2; ++round) {
        list_free(list);
        list = NULL;
        CHECK(mappings() <= before + 1);
        CHECK(list_grow(&list, 100 << 20, &random) >= 100 << 20);
        CHECK(mappings() <= before + 1);
    }
    list_free(list);
    for (size_t n = 64; n <= 768; ++n) free(warm[n]);
    return 0;
}
