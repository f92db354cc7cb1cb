// Under RLIMIT_DATA (which counts what mprotect makes writable) at least half of it is had in our objects,
// then ENOMEM, and again after they are freed.
#include <sys/resource.h>

#include "memory.h"

int main(void) {
    probe_start();
    const size_t room = 64 << 20;
    struct rlimit limit = {(status_kib("VmData:") << 10) + room, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    uint64_t random = 1;
    struct link* list = NULL;
    for (int round = 0; round < 2; ++round) {
        size_t had = list_grow(&list, room * 2, &random);
        CHECK(had > room / 2 && had < room + (8 << 20));
        list_free(list);
        list = NULL;
    }
    free(make(100, 1)), free(make(100000, 1));
    return 0;
}
