// A program of the common kind: reads a file line by line, keeps the lines, sorts and joins them, with a
// thread beside it. It prints nothing; options, limits and pass-through must not disturb it. modest
// ours|next|either: who serves 100 bytes.
#include "busy.h"

static int by_text(const void* a, const void* b) { return strcmp(*(char* const*)a, *(char* const*)b); }

static void* read_and_sort(void* unused) {
    FILE* file = fopen("/proc/self/maps", "r");
    CHECK(file != NULL);
    char **lines = NULL, *line = NULL;
    size_t count = 0, room = 0, length = 0;
    while (getline(&line, &room, file) > 0) {
        CHECK((lines = realloc(lines, (count + 1) * sizeof *lines)) != NULL);
        CHECK((lines[count++] = strdup(line)) != NULL);
    }
    fclose(file);
    CHECK(count > 5);
    qsort(lines, count, sizeof *lines, by_text);
    char* joined = calloc(1, 1);
    for (size_t i = 0; i < count; ++i) {
        size_t more = strlen(lines[i]);
        CHECK((joined = realloc(joined, length + more + 1)) != NULL);
        memcpy(joined + length, lines[i], more + 1);
        length += more;
        if (i > 0) CHECK(strcmp(lines[i - 1], lines[i]) <= 0);
    }
    CHECK(strlen(joined) == length);
    for (size_t i = 0; i < count; ++i) free(lines[i]);
    free(lines), free(line), free(joined);
    return unused;
}

int main(int argc, char** argv) {
    probe_start();
    end_if_stuck();
    CHECK(argc == 2);
    read_and_sort(NULL);
    // Room for a common stack is not always to be had.
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, 128 * 1024) == 0);
    CHECK(pthread_create(&thread, &attributes, read_and_sort, NULL) == 0);
    read_and_sort(NULL);
    join(thread);
    void* p = make(100, 1);
    if (strcmp(argv[1], "ours") == 0) CHECK(!is_next(p));
    if (strcmp(argv[1], "next") == 0) CHECK(!is_ours(p));
    free(p);
    return 0;
}
