// One to sixty-four threads doing the same amount of work in all, each among its own objects, or giving some
// away.
#include <atomic>

#include "driver.h"
#include "objects.h"
#include "team.h"

namespace {

constexpr std::size_t live_per_thread = 1'000;

// In the shared cases every eighth new object is left where any other thread takes it and frees it.
struct Board {
    static constexpr std::size_t places = 256;
    struct alignas(64) Place {
        std::atomic<void*> object;
    };
    bench::Table<Place> table{places};

    void* exchange(std::size_t i, void* object) {
        return table[i].object.exchange(object, std::memory_order_acq_rel);
    }
};

void run(bench::Driver& driver, const bench::Case& one) {
    const bool shared = one.count != 0;
    const std::size_t operations = driver.scaled(1'500'000) / one.threads;
    Board board;
    const double wall_ns = bench::time_team(one.threads, [&](unsigned index, bench::Lap& lap) {
        bench::Rng rng(driver.seed() * 1'000 + index);
        bench::Table<void*> objects(live_per_thread);
        for (void*& object : objects) object = bench::make(rng.size());
        const auto turn = [&](std::size_t times) {
            for (std::size_t i = 0; i < times; ++i) {
                void*& victim = objects[rng.below(live_per_thread)];
                void* released = victim;
                if (shared && i % 8 == 0) released = board.exchange(rng.below(Board::places), victim);
                if (released != nullptr) bench::drop(released);
                victim = bench::make(rng.size());
            }
        };
        turn(operations / 10);
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
        "scale",
        "Random replacement in 1,000 objects of 64-768 bytes a thread, by 1 to 64 threads; in the "
        "shared cases one object in eight is freed by whichever thread finds it.");
    for (unsigned threads = 1; threads <= 64; threads *= 2) {
        driver.add(run, 0, threads, "own_%u_threads", threads);
        driver.add(run, 1, threads, "shared_%u_threads", threads);
    }
    return driver.main(argc, argv);
}
