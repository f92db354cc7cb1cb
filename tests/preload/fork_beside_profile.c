// Children of forks beside a thread that has profiles written can ask the loader for what is loaded. Its
// answers are slow here: who asks holds a lock for long that no child of a fork meanwhile ever gets.
#include <dlfcn.h>
#include <link.h>
#include <signal.h>
#include <time.h>

#include "busy.h"

enum { forks = 100 };

typedef int callback(struct dl_phdr_info*, size_t, void*);
typedef int walk(callback*, void*);

struct asked {
    callback* each;
    void* with;
};

static int answer_slowly(struct dl_phdr_info* info, size_t size, void* asked) {
    const struct timespec length = {0, 100000};
    nanosleep(&length, NULL);
    const struct asked* by = asked;
    return by->each(info, size, by->with);
}

static walk* walk_of_libc;

// In place of libc's, for libraries too.
int dl_iterate_phdr(callback* each, void* with) {
    if (walk_of_libc == NULL) *(void**)&walk_of_libc = dlsym(RTLD_NEXT, "dl_iterate_phdr");
    struct asked asked = {each, with};
    return walk_of_libc(answer_slowly, &asked);
}

static void* have_profiles_written(void* unused) {
    (void)unused;
    while (!atomic_load_explicit(&busy_stop, memory_order_relaxed)) {
        raise(SIGURG);
        for (size_t n = 0; n < 700; ++n) free(make(64 + n, 1));
    }
    return NULL;
}

static int count_one(struct dl_phdr_info* info, size_t size, void* count) {
    (void)info;
    (void)size;
    ++*(int*)count;
    return 0;
}

int main(void) {
    probe_start();
    end_if_stuck();
    pthread_t thread = start(have_profiles_written, 0);
    for (int i = 0; i < forks; ++i) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            end_if_stuck();
            int loaded = 0;
            dl_iterate_phdr(count_one, &loaded);
            _exit(loaded == 0);
        }
        wait_for(child, 0);
    }
    atomic_store(&busy_stop, 1);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
