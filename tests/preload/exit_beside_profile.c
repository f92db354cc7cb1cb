// Processes that end while a thread of theirs has profiles written leave a whole one each, and no other
// files.
#include <glob.h>
#include <signal.h>
#include <time.h>

#include "busy.h"

enum { processes = 40 };

static void* have_profiles_written(void* unused) {
    (void)unused;
    for (;;) {
        raise(SIGURG);
        for (size_t n = 0; n < 700; ++n) free(make(64 + n, 1));
    }
    return NULL;
}

static size_t count_files(pid_t process, const char* ending) {
    char pattern[4096];
    const char* profile = getenv("TSLAB_PROFILE_FILE");
    const char* number = strstr(profile, "%p");
    CHECK(number != NULL);
    snprintf(pattern, sizeof pattern, "%.*s%d.%s", (int)(number - profile), profile, (int)process, ending);
    glob_t found;
    int status = glob(pattern, 0, NULL, &found);
    CHECK(status == 0 || status == GLOB_NOMATCH);
    size_t count = status == 0 ? found.gl_pathc : 0;
    for (size_t i = 0; i < count; ++i) unlink(found.gl_pathv[i]);
    globfree(&found);
    return count;
}

int main(void) {
    probe_start();
    end_if_stuck();
    for (int i = 0; i < processes; ++i) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            end_if_stuck();
            start(have_profiles_written, 0);
            const struct timespec length = {0, 2000000 + i * 100000};
            nanosleep(&length, NULL);
            exit(0);
        }
        wait_for(child, 0);
        CHECK(count_files(child, "*.new") == 0);
        CHECK(count_files(child, "*") == 4);
    }
    return 0;
}
