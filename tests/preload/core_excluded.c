// A core dump holds our objects but not the unused reservation, and no huge pages are used for our range:
// VmFlags of /proc/self/smaps say dd (not dumped) for what is unusable, not for what is in use, and nh for
// all of it.
#include "memory.h"

struct seen {
    int ours, unusable;
    uintptr_t begin, end;
    size_t used, unused;
};
static char* object;

static void take(char* line, void* to) {
    struct seen* seen = to;
    char rights[8];
    uintptr_t begin, end;
    if (sscanf(line, "%lx-%lx %7s", &begin, &end, rights) == 3) {
        seen->begin = begin;
        seen->end = end;
        seen->ours = is_ours((void*)seen->begin) || is_ours((void*)(seen->end - 1));
        seen->unusable = strncmp(rights, "---", 3) == 0;
    } else if (seen->ours && strncmp(line, "VmFlags:", 8) == 0) {
        CHECK(strstr(line, " nh") != NULL);
        CHECK((strstr(line, " dd") != NULL) == seen->unusable);
        if (seen->unusable) ++seen->unused;
        if ((uintptr_t)object >= seen->begin && (uintptr_t)object < seen->end) ++seen->used;
    }
}

int main(void) {
    probe_start();
    object = make(100, 1);
    CHECK(is_ours(object));
    struct seen seen = {0};
    each_line("/proc/self/smaps", take, &seen);
    CHECK(seen.used == 1 && seen.unused >= 1);
    free(object);
    return 0;
}
