// Waves: as many objects as a wave is large are made, then all are freed in the order they were made, and the
// next wave begins: a batch, a frame, a request that cleans up at its end.
#include "clock.h"
#include "driver.h"
#include "objects.h"
#include "team.h"

namespace {

void run(bench::Driver& driver, const bench::Case& one) {
    const std::size_t waves = driver.scaled(2'000'000) / one.count + 1;
    bench::pin_to_core(0);
    bench::Rng rng(driver.seed());
    bench::Table<void*> objects(one.count);
    const auto wave = [&] {
        for (void*& object : objects) object = bench::make(rng.size());
        for (void* object : objects) bench::drop(object);
    };
    for (std::size_t i = 0; i < waves / 4 + 2; ++i) wave();
    const auto start = bench::now_ns();
    for (std::size_t i = 0; i < waves; ++i) wave();
    const auto elapsed = bench::now_ns() - start;
    driver.row("time", static_cast<double>(elapsed) / static_cast<double>(waves * one.count), "ns/op");
}

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver(
        "waves", "Objects of 64-768 bytes, made and then all freed, again and again; a case is how many.");
    for (std::size_t count : {100U, 1'000U, 10'000U, 100'000U}) driver.add(run, count, 1, "%zu", count);
    return driver.main(argc, argv);
}
