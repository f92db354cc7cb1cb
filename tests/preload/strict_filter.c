// After the start we need no system calls but mmap, munmap, mremap, mprotect, madvise, brk (next's) and
// futex: any other ends this program. A thread's first malloc, growth, mass free, and a misuse that is
// ignored come under the filter.
#include <pthread.h>

#include "memory.h"
#include "seccomp.h"

static pthread_barrier_t filtered;
static struct link* of_thread;

static void* first_malloc_after(void* unused) {
    pthread_barrier_wait(&filtered);
    uint64_t random = 2;
    list_grow(&of_thread, 5 << 20, &random);
    pthread_barrier_wait(&filtered);
    return unused;
}

int main(void) {
    probe_start();
    end_if_stuck();
    CHECK(pthread_barrier_init(&filtered, NULL, 2) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, first_malloc_after, NULL) == 0);
    free(make(100, 1)), free(make(40, 1)), free(make(400000, 1));

    static const int needed[] = {SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_brk,
                                 SYS_futex, SYS_exit, SYS_exit_group, SYS_rseq, SYS_rt_sigprocmask,
                                 // next's arena for a new thread, and a thread's end
                                 SYS_getrandom, SYS_set_robust_list, SYS_sched_getaffinity,
                                 // what the checks of this program would print
                                 SYS_write};
    filter_calls(needed, sizeof needed / sizeof needed[0], SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
    pthread_barrier_wait(&filtered);
    uint64_t random = 1;
    struct link* list = NULL;
    list_grow(&list, 40 << 20, &random);
    char* p = make(100, 1);
    if (is_ours(p)) free(hide(p + 8));
    free(p);
    list_free(list);
    pthread_barrier_wait(&filtered);
    list_free(of_thread);
    list = NULL;
    list_grow(&list, 10 << 20, &random);
    list_free(list);
    _exit(0);
}
