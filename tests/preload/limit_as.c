// limit_as KIB: under `ulimit -v KIB` (set before the start) objects of our sizes are to be had up to nearly
// the limit, then ENOMEM; freed, they are to be had again, also by a thread that had none yet.
#include <pthread.h>
#include <sys/resource.h>

#include "memory.h"

static pthread_barrier_t used_up;

static void* first_malloc_after(void* p) {
    pthread_barrier_wait(&used_up);
    free(p);
    return make(100, 2);
}

int main(int argc, char** argv) {
    probe_start();
    CHECK(argc == 2);
    size_t limit = strtoul(argv[1], NULL, 10) << 10, room = limit - (status_kib("VmSize:") << 10);
    struct rlimit set;
    CHECK(getrlimit(RLIMIT_AS, &set) == 0 && set.rlim_cur == limit);
    CHECK(room > limit / 10 * 8);

    pthread_t thread;
    CHECK(pthread_barrier_init(&used_up, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, first_malloc_after, make(100, 1)) == 0);

    uint64_t random = 1;
    struct link* list = NULL;
    for (int round = 0; round < 2; ++round) {
        size_t had = list_grow(&list, limit, &random);
        CHECK(had > room / 10 * 8 && had < limit);
        CHECK(list_free(list) > 0);
        list = NULL;
    }
    // Used up, a block still becomes smaller: it stays where it is.
    void* large = make(768, 3);
    list_grow(&list, limit, &random);
    for (struct link* small; (small = hide(malloc(100))) != NULL; list = small) small->next = list;
    large = hide(realloc(large, 100));
    CHECK(large != NULL && holds(large, 100, 3));
    free(large);
    // A little given back: small things work at the very limit.
    for (int i = 0; i < 2000; ++i) {
        struct link* next = list->next;
        free(list);
        list = next;
    }
    for (int i = 0; i < 500; ++i) free(make(64 + (size_t)i % 700, 1));
    list_free(list);

    pthread_barrier_wait(&used_up);
    void* made = NULL;
    CHECK(pthread_join(thread, &made) == 0);
    CHECK(holds(made, 100, 2));
    free(made);
    return 0;
}
