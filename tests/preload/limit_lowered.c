// RLIMIT_AS lowered by the running program to what it uses and 64 MB more, as sandboxes do: objects are had,
// then at most ENOMEM; large blocks fit into the 64 MB as they do without us.
#include <sys/resource.h>
#include <sys/wait.h>

#include "memory.h"

int main(int argc, char** argv) {
    probe_start();
    struct link* list = NULL;
    uint64_t random = 1;
    list_grow(&list, 10 << 20, &random);
    // `plainly`: a limit that suits the program, not our reservation: the program cannot know of that. It
    // forks, as a shell does after `ulimit -v`.
    size_t use = argc > 1 && strcmp(argv[1], "plainly") == 0 ? (size_t)32 << 20 : status_kib("VmSize:") << 10;
    struct rlimit limit = {use + (64 << 20), use + (64 << 20)};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);

    if (argc > 1) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        CHECK(child > 0 && waitpid(child, NULL, 0) == child);
    }
    void* large = make(8 << 20, 1);
    size_t had = list_grow(&list, 30 << 20, &random);
    CHECK(had >= 30 << 20 && holds(large, 8 << 20, 1));
    free(large);
    list_free(list);
    errno = 0;
    CHECK(malloc(hide_size((size_t)200 << 20)) == NULL && errno == ENOMEM);
    for (size_t n = 1; n < 10000; n += 7) free(make(n, n));
    return 0;
}
