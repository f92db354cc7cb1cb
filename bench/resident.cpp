// Resident bytes for each byte that the program asked for and still holds, under steady random replacement.
#include <algorithm>

#include "driver.h"
#include "kernel_view.h"
#include "objects.h"
#include "team.h"

namespace {

struct Held {
    void* object;
    std::size_t size;
};

void run(bench::Driver& driver, const bench::Case& one) {
    constexpr std::size_t readings = 9;
    const std::size_t turns_between = driver.scaled(one.count);
    bench::pin_to_core(0);
    bench::Rng rng(driver.seed());
    bench::Table<Held> held(one.count);
    bench::Table<double> ratios(readings);
    bench::resident_bytes();
    const std::size_t before = bench::resident_bytes();

    std::size_t live_bytes = 0;
    for (Held& slot : held) {
        slot.size = rng.size();
        slot.object = bench::make(slot.size);
        live_bytes += slot.size;
    }
    const auto turn = [&](std::size_t times) {
        for (std::size_t i = 0; i < times; ++i) {
            Held& victim = held[rng.below(one.count)];
            bench::drop(victim.object);
            live_bytes -= victim.size;
            victim.size = rng.size();
            victim.object = bench::make(victim.size);
            live_bytes += victim.size;
        }
    };
    turn(5 * turns_between);
    for (double& ratio : ratios) {
        turn(turns_between);
        ratio = static_cast<double>(bench::resident_bytes() - before) / static_cast<double>(live_bytes);
    }
    std::sort(ratios.begin(), ratios.end());
    driver.row("per_live_byte", ratios[readings / 2], "bytes");
    driver.row("per_live_byte_max", ratios[readings - 1], "bytes");
}

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver(
        "resident",
        "Resident bytes per requested live byte, less what was resident before the first object: "
        "random replacement of objects of 64-768 bytes; a case is how many live.");
    for (std::size_t live : {10'000U, 100'000U, 400'000U}) driver.add(run, live, 1, "%zu", live);
    return driver.main(argc, argv);
}
