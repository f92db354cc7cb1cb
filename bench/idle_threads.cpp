// What the preloaded library keeps for a thread that allocated once and then sleeps.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "driver.h"
#include "kernel_view.h"
#include "objects.h"

namespace {

struct Meeting {
    pthread_barrier_t allocated;
    pthread_barrier_t counted;
    std::atomic<std::uint64_t> next_seed;
};

void* allocate_once_and_sleep(void* argument) {
    auto& meeting = *static_cast<Meeting*>(argument);
    bench::Rng rng(meeting.next_seed.fetch_add(1, std::memory_order_relaxed));
    void* object = bench::make(rng.size());
    pthread_barrier_wait(&meeting.allocated);
    pthread_barrier_wait(&meeting.counted);
    bench::drop(object);
    return nullptr;
}

// In a process of its own: resident KiB that each of the threads added.
double kib_per_thread(unsigned threads, std::uint64_t seed) {
    Meeting meeting;
    meeting.next_seed = seed * 1'000'000;
    pthread_barrier_init(&meeting.allocated, nullptr, threads + 1);
    pthread_barrier_init(&meeting.counted, nullptr, threads + 1);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    bench::Table<pthread_t> members(threads);
    std::free(bench::make(100));
    bench::resident_bytes();
    const std::size_t before = bench::resident_bytes();
    for (pthread_t& member : members) {
        if (pthread_create(&member, &attributes, allocate_once_and_sleep, &meeting) != 0) {
            bench::fail("no more threads");
        }
    }
    pthread_barrier_wait(&meeting.allocated);
    const std::size_t after = bench::resident_bytes();
    pthread_barrier_wait(&meeting.counted);
    for (pthread_t member : members) pthread_join(member, nullptr);
    return (static_cast<double>(after) - static_cast<double>(before)) / 1024 / threads;
}

// Runs this program again, with or without the preloaded library, and reads the figure it prints.
double ask_child(bool preloaded, unsigned threads, std::uint64_t seed) {
    int ends[2];
    if (pipe(ends) != 0) bench::fail("pipe failed");
    const pid_t child = fork();
    if (child < 0) bench::fail("fork failed");
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (!preloaded) unsetenv("LD_PRELOAD");
        char thread_text[32], seed_text[32];
        std::snprintf(thread_text, sizeof thread_text, "%u", threads);
        std::snprintf(seed_text, sizeof seed_text, "%llu", static_cast<unsigned long long>(seed));
        execl("/proc/self/exe", "idle_threads", "--as-child", thread_text, seed_text,
              static_cast<char*>(nullptr));
        _exit(127);
    }
    close(ends[1]);
    char text[64] = {};
    const ssize_t length = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    int status = -1;
    if (waitpid(child, &status, 0) != child || status != 0 || length <= 0) bench::fail("the child failed");
    return std::strtod(text, nullptr);
}

void run(bench::Driver& driver, const bench::Case& one) {
    constexpr std::size_t runs = 3;
    double plain[runs], preloaded[runs];
    for (std::size_t i = 0; i < runs; ++i) {
        plain[i] = ask_child(false, one.threads, driver.seed());
        preloaded[i] = ask_child(true, one.threads, driver.seed());
    }
    std::sort(plain, plain + runs);
    std::sort(preloaded, preloaded + runs);
    driver.row("per_thread_plain", plain[runs / 2], "KiB");
    driver.row("per_thread_preloaded", preloaded[runs / 2], "KiB");
    driver.row("per_thread_added", preloaded[runs / 2] - plain[runs / 2], "KiB");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 4 && std::strcmp(argv[1], "--as-child") == 0) {
        const auto threads = static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10));
        std::printf("%.6f\n", kib_per_thread(threads, std::strtoull(argv[3], nullptr, 10)));
        return 0;
    }
    bench::Driver driver(
        "idle_threads",
        "Resident memory that each thread adds which allocates one object of 64-768 bytes and "
        "sleeps, under the LD_PRELOAD this runs with and without it; a case is how many threads.");
    driver.add(run, 0, 1'000, "1000_threads");
    return driver.main(argc, argv);
}
