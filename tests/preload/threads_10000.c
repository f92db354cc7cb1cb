// 10,000 short threads one after another: the memory of ended threads serves the next ones, also when half of
// their objects are freed by others after they ended.
#include "busy.h"

enum { threads = 10000, objects = 40 };
static void* handed_over[objects];

static void* body(void* unused) {
    void* own[objects];
    for (size_t i = 0; i < objects; ++i) {
        own[i] = make(64 + i * 17, i);
        handed_over[i] = make(64 + i * 17, i + 1);
    }
    for (size_t i = 0; i < objects; ++i) free(own[i]);
    return unused;
}

int main(void) {
    probe_start();
    end_if_stuck();
    size_t after_some = 0;
    for (int i = 0; i < threads; ++i) {
        join(start(body, 0));
        for (size_t j = 0; j < objects; ++j) {
            CHECK(holds(handed_over[j], 64 + j * 17, j + 1));
            free(handed_over[j]);
        }
        if (i == 100) after_some = status_kib("VmRSS:");
    }
    // 310 MB went through.
    CHECK(status_kib("VmRSS:") < after_some + 8 * 1024);
    return 0;
}
