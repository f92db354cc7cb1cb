// stderr_replaced data|log|terminal|same: a child makes number 2 another file. One that is data holds at the
// child's end what the program wrote and nothing else; a log, a terminal, and the file that was there before
// get the line due.
#include "busy.h"

static const char content[] = "data";
static char path[] = "/tmp/tslab-stderr-replaced-XXXXXX";

static const char* misuse(void) {
    static char line[100];
    char* p = make(100, 1);
    free(p);
    snprintf(line, sizeof line, "temporal-slab: double free of %p ignored", (void*)p);
    free(hide(p));
    return line;
}

// What reads the file that number 2 will be.
static int open_other(int is_terminal) {
    int other = is_terminal ? posix_openpt(O_RDWR | O_NOCTTY) : mkstemp(path);
    if (is_terminal && (other < 0 || grantpt(other) != 0 || unlockpt(other) != 0)) skip("no terminals here");
    CHECK(other >= 0);
    return other;
}

static void be_child(const char* how, int other) {
    int kept = dup(2);
    close(2);
    if (strcmp(how, "same") == 0) {
        CHECK(dup(kept) == 2);
        dprintf(STDOUT_FILENO, "%s\n", misuse());
        _exit(0);
    }
    if (strcmp(how, "data") == 0) {
        CHECK(open(path, O_RDWR) == 2 && write(2, content, strlen(content)) == (ssize_t)strlen(content));
        misuse();
        exit(0);
    }
    if (strcmp(how, "log") == 0) CHECK(open(path, O_WRONLY | O_APPEND) == 2);
    if (strcmp(how, "terminal") == 0) CHECK(open(ptsname(other), O_RDWR | O_NOCTTY) == 2);
    const char* line = misuse();
    char found[200] = "";
    CHECK(read(other, found, sizeof found - 1) > 0 && strncmp(found, line, strlen(line)) == 0);
    _exit(0);
}

int main(int argc, char** argv) {
    probe_start();
    end_if_stuck();
    CHECK(argc == 2);
    int other = open_other(strcmp(argv[1], "terminal") == 0);
    pid_t child = fork();
    if (child == 0) be_child(argv[1], other);
    wait_for(child, 0);
    if (strcmp(argv[1], "terminal") != 0) CHECK(unlink(path) == 0);
    char found[200] = "";
    if (strcmp(argv[1], "data") == 0) {
        CHECK(pread(other, found, sizeof found - 1, 0) > 0);
        CHECK(strcmp(found, content) == 0);
    }
    _exit(0);
}
