// First in, first out: every object outlives as many younger ones as the queue is deep.
#include "clock.h"
#include "driver.h"
#include "objects.h"
#include "team.h"

namespace {

void run(bench::Driver& driver, const bench::Case& one) {
    const std::size_t operations = driver.scaled(2'000'000);
    bench::pin_to_core(0);
    bench::Rng rng(driver.seed());
    bench::Table<void*> queue(one.count);
    for (void*& object : queue) object = bench::make(rng.size());

    std::size_t oldest = 0;
    const auto turn = [&](std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) {
            bench::drop(queue[oldest]);
            queue[oldest] = bench::make(rng.size());
            if (++oldest == one.count) oldest = 0;
        }
    };
    turn(2 * one.count);
    const auto start = bench::now_ns();
    turn(operations);
    const auto elapsed = bench::now_ns() - start;
    driver.row("time", static_cast<double>(elapsed) / static_cast<double>(operations), "ns/op");
}

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver("queue",
                         "A queue of objects of 64-768 bytes, the oldest replaced; a case is its depth.");
    for (std::size_t depth : {10U, 100U, 1'000U, 10'000U, 100'000U}) driver.add(run, depth, 1, "%zu", depth);
    return driver.main(argc, argv);
}
