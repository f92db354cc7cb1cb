// Call sites that a profile must tell apart: one that leaks, one that keeps dense data, one of which a single
// object in many is kept while all around it go, and one that takes and gives. With `fork` a child does the
// same on its own, and both must name the same sites; with `threads` several threads do.
#include <sys/wait.h>

#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "probe.h"

#ifdef __clang__
#define SITE extern "C" __attribute__((noinline))
#else
#define SITE extern "C" __attribute__((noinline, noclone))
#endif

namespace {

constexpr size_t kWindow = 20000;
constexpr size_t kRounds = 40;

[[gnu::noinline]] void* touch(void* object, size_t bytes) {
    CHECK(object != nullptr);
    return memset(hide(object), 1, bytes);
}

}  // namespace

SITE void* leaking_site(size_t bytes) { return touch(malloc(bytes), bytes); }
SITE void* dense_site(size_t bytes) { return touch(operator new(bytes), bytes); }
SITE void* pinning_site(size_t bytes) { return touch(calloc(1, bytes), bytes); }
SITE void* passing_site(size_t bytes) { return touch(malloc(bytes), bytes); }

namespace {

void leak() {
    for (int i = 0; i < 100000; i++) leaking_site(100 + static_cast<size_t>(i % 200));
    for (int i = 0; i < 400000; i++) free(passing_site(300));
}

void pin() {
    // Taken first: whole slabs of live objects, far more bytes than what pins.
    for (int i = 0; i < 100000; i++) dense_site(320);
    std::vector<void*> window(kWindow);
    for (size_t i = 0; i < kWindow * kRounds; i++) {
        free(window[i % kWindow]);
        window[i % kWindow] = passing_site(128);
        if (i % 200 == 0) pinning_site(128);
    }
    for (void* const object : window) free(object);
    // What pins is of closed epochs then.
    for (void*& object : window) object = passing_site(128);
    for (void* const object : window) free(object);
}

}  // namespace

int main(int count, char** words) {
    probe_start();
    end_if_stuck();
    CHECK(count == 3);
    void (*const work)() = strcmp(words[1], "leak") == 0 ? leak : pin;
    if (strcmp(words[2], "threads") == 0) {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; i++) threads.emplace_back(work);
        for (std::thread& thread : threads) thread.join();
        return 0;
    }
    if (strcmp(words[2], "first_ends") == 0) {
        const auto body = [](void* given) -> void* {
            reinterpret_cast<void (*)()>(given)();
            exit(0);
        };
        pthread_t other;
        CHECK(pthread_create(&other, nullptr, body, reinterpret_cast<void*>(work)) == 0);
        pthread_exit(nullptr);
    }
    if (strcmp(words[2], "fork") == 0) {
        const pid_t child = fork();
        CHECK(child >= 0);
        int status = 0;
        if (child != 0) CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    work();
    return 0;
}
