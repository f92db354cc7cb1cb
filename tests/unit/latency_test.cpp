#include "core/latency.h"

#include "support.h"

namespace tslab::test {

struct Overhead {
    using Type = std::uint64_t Latency::*;
    friend Type member(Overhead);
};
template struct Open<Overhead, &Latency::overhead_>;

}  // namespace tslab::test

using namespace tslab;
using namespace tslab::test;

TEST_CASE("every value is in a bucket no wider than 1/32 of it", "[latency]") {
    unsigned last = 0;
    const auto check = [&last](std::uint64_t value) {
        const unsigned bucket = Histogram::bucket_of(value);
        REQUIRE(bucket < Histogram::kBuckets);
        REQUIRE(bucket >= last);
        REQUIRE(Histogram::least_of(bucket) <= value);
        REQUIRE(value < Histogram::least_of(bucket + 1));
        const std::uint64_t width = Histogram::least_of(bucket + 1) - Histogram::least_of(bucket);
        REQUIRE((width == 1 || width * Histogram::kSteps <= value));
        last = bucket;
    };
    for (std::uint64_t value = 0; value < 100000; value++) check(value);
    for (std::uint64_t value = 100000; value >> Histogram::kBits == 0; value += value / 77) check(value);
    CHECK(Histogram::bucket_of((std::uint64_t{1} << Histogram::kBits) - 1) == Histogram::kBuckets - 1);
    CHECK(Histogram::bucket_of(~std::uint64_t{0}) == Histogram::kBuckets - 1);
}

TEST_CASE("buckets follow one another without a gap", "[latency]") {
    for (unsigned bucket = 0; bucket < Histogram::kBuckets; bucket++) {
        REQUIRE(Histogram::bucket_of(Histogram::least_of(bucket)) == bucket);
        REQUIRE(Histogram::bucket_of(Histogram::least_of(bucket + 1) - 1) == bucket);
    }
}

TEST_CASE("quantiles are those of the sorted values, to within a bucket", "[latency]") {
    static constinit Histogram times;
    CHECK(times.quantile(500000) == 0);
    std::vector<std::uint64_t> values;
    std::uint64_t state = 7;
    for (int i = 0; i < 50000; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        values.push_back((state >> 40) >> (state >> 33 & 15));
        times.add(values.back());
    }
    std::sort(values.begin(), values.end());
    for (const unsigned per_million : {1u, 500000u, 900000u, 990000u, 999000u, 999900u, 1000000u}) {
        const std::size_t rank = (values.size() * per_million + 999999) / 1000000;
        const std::uint64_t exact = values[rank - 1];
        CHECK(times.quantile(per_million) >= exact);
        CHECK(times.quantile(per_million) <= exact + exact / Histogram::kSteps);
    }
    CHECK(times.count() == values.size());
    CHECK(times.largest() == values.back());
    CHECK(times.quantile(1000000) == values.back());
}

TEST_CASE("the counter is turned into time by the clock", "[latency]") {
    static constinit Latency clocked;
    clocked.start();
    timespec before{};
    timespec after{};
    // The counter is read first and last, and so counts for longer.
    const std::uint64_t ticks_before = read_ticks();
    clock_gettime(CLOCK_MONOTONIC, &before);
    do {
        clock_gettime(CLOCK_MONOTONIC, &after);
    } while ((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec < 20000000);
    const auto ns = static_cast<double>(clocked.nanoseconds(read_ticks() - ticks_before));
    const auto due =
        static_cast<double>((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec);
    CHECK(ns > due * 0.99);
}

TEST_CASE("what reading the counter takes is left out", "[latency]") {
    static constinit Latency timed;
    timed.*member(Overhead{}) = 20;
    timed.add(Timed::malloc, 50);
    CHECK(timed.of(Timed::malloc).largest() == 30);
    timed.add(Timed::free, 19);
    CHECK(timed.of(Timed::free).count_in(0) == 1);
    timed.start();
    CHECK(timed.*member(Overhead{}) < 1'000'000);  // the least of many readings
}
