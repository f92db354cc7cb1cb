// refused_call madvise|mprotect|mmap ERRNO: a filter installed after the start refuses one system call;
// allocation goes on, from next where need be, calloc clears, nothing is lost and no line is due.
#include <pthread.h>
#include <sys/mman.h>

#include "memory.h"
#include "seccomp.h"

static pthread_barrier_t filtered;

static void* first_malloc_after(void* unused) {
    pthread_barrier_wait(&filtered);
    for (size_t n = 64; n <= 768; ++n) free(make(n, n));
    return unused;
}

int main(int argc, char** argv) {
    probe_start();
    end_if_stuck();
    CHECK(argc == 3);
    const int call = strcmp(argv[1], "madvise") == 0    ? SYS_madvise
                     : strcmp(argv[1], "mprotect") == 0 ? SYS_mprotect
                                                        : SYS_mmap;
    const int error = (int)strtol(argv[2], NULL, 10);
    CHECK(pthread_barrier_init(&filtered, NULL, 2) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, first_malloc_after, NULL) == 0);
    uint64_t random = 1;
    struct link* list = NULL;
    list_grow(&list, 5 << 20, &random);
    void* kept = make(300, 1);

    filter_calls(&call, 1, SECCOMP_RET_ERRNO | (uint32_t)error, SECCOMP_RET_ALLOW);
    errno = 0;
    CHECK(syscall(call, 0, 0, 0, 0, 0, 0) == -1 && errno == error);
    pthread_barrier_wait(&filtered);
    for (int round = 0; round < 3; ++round) {
        CHECK(list_grow(&list, 20 << 20, &random) >= 20 << 20);
        for (size_t n = 64; n <= 768; n += 3) {
            unsigned char* clear = calloc(1, n);
            CHECK(clear != NULL && all_bytes(clear, n, 0));
            memset(clear, 0xEE, n);
            free(clear);
        }
        list_free(list);
        list = NULL;
    }
    CHECK(pthread_join(thread, NULL) == 0 && holds(kept, 300, 1));
    free(kept);
    return 0;
}
