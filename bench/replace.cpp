// Random replacement among live objects: no order of birth, death or size that an allocator could lean on.
#include "clock.h"
#include "driver.h"
#include "objects.h"
#include "team.h"

namespace {

void run(bench::Driver& driver, const bench::Case& one) {
    const std::size_t operations = driver.scaled(1'000'000) / one.threads;
    const std::size_t live = one.count / one.threads;
    const double wall_ns = bench::time_team(one.threads, [&](unsigned index, bench::Lap& lap) {
        bench::Rng rng(driver.seed() * 1'000 + index);
        bench::Table<void*> objects(live);
        for (void*& object : objects) object = bench::make(rng.size());
        const auto turn = [&](std::size_t times) {
            for (std::size_t i = 0; i < times; ++i) {
                void*& victim = objects[rng.below(live)];
                bench::drop(victim);
                victim = bench::make(rng.size());
            }
        };
        turn(2 * live);
        lap.start();
        turn(operations);
        lap.stop();
        for (void* object : objects) bench::drop(object);
    });
    driver.row("time", bench::core_ns_per_operation(wall_ns, one.threads, operations * one.threads), "ns/op");
}

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver(
        "replace",
        "A random one of the live objects of 64-768 bytes is replaced; a case is how many live in "
        "all, and the threads among which they are divided.");
    for (std::size_t live : {1'000U, 10'000U, 100'000U, 1'000'000U}) {
        for (unsigned threads = 1; threads <= 2 * bench::core_count(); threads *= 2) {
            driver.add(run, live, threads, "%zu_live_%u_threads", live, threads);
        }
    }
    return driver.main(argc, argv);
}
