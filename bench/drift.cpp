// Resident memory against live bytes over time. A case is a way in which programs use memory that makes it
// drift apart; live bytes are the same at all points that are compared.
#include "drift.h"

int main(int argc, char** argv) {
    bench::Driver driver("drift",
                         "Resident memory beside live bytes over time, objects of 64-768 bytes; a case is a "
                         "way of using memory. Points of a line over time are metrics NAME@WHEN.");
    driver.add(bench::steady, 0, 1, "steady");
    driver.add(bench::sessions, 0, 1, "sessions");
    driver.add(bench::phases, 0, 1, "phases");
    driver.add(bench::survivors, 0, 1, "survivors");
    driver.add(bench::spike, bench::in_order, 1, "spike");
    driver.add(bench::spike, bench::shuffled, 1, "spike_shuffled");
    driver.add(bench::spike, bench::and_pause, 1, "spike_and_pause");
    driver.add(bench::builder, 0, 3, "builder_sleeps");
    driver.add(bench::short_threads, 0, 4, "short_threads");
    return driver.main(argc, argv);
}
