// One object, last in first out, in every size class: the shortest way through malloc and free.
#include "clock.h"
#include "driver.h"
#include "objects.h"
#include "team.h"

namespace {

void run(bench::Driver& driver, const bench::Case& one) {
    const std::size_t operations = driver.scaled(4'000'000);
    bench::pin_to_core(0);
    for (std::size_t i = 0; i < operations / 10; ++i) bench::drop(bench::make(one.count));
    const auto start = bench::now_ns();
    for (std::size_t i = 0; i < operations; ++i) bench::drop(bench::make(one.count));
    const auto elapsed = bench::now_ns() - start;
    driver.row("time", static_cast<double>(elapsed) / static_cast<double>(operations), "ns/op");
}

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver("pair",
                         "One object is allocated, touched and freed, again and again; a case is its size.");
    for (std::size_t size = 64; size < 256; size += 16) driver.add(run, size, 1, "%zu", size);
    for (std::size_t size = 256; size <= 768; size += 32) driver.add(run, size, 1, "%zu", size);
    return driver.main(argc, argv);
}
