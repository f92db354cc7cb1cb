// The length of every single call, from the first one of the process on: totals hide the one call in ten
// thousand that a user waits for. Objects are touched and checked between the timed calls.
#include <algorithm>
#include <cstdio>

#include "clock.h"
#include "driver.h"
#include "objects.h"
#include "team.h"

namespace {

// Counters advance in steps that can be longer than the calls (10 ns on some processors). Readings that
// differ by less cannot be told apart, so a percentile that falls among equal readings is placed within their
// step by its rank.
class Counter {
  public:
    Counter() {
        bench::Table<std::uint32_t> empty(100'001);
        for (std::uint32_t& length : empty) {
            const std::uint64_t start = bench::ticks();
            length = static_cast<std::uint32_t>(bench::ticks() - start);
        }
        std::sort(empty.begin(), empty.end());
        for (std::size_t i = 1; i < empty.count(); ++i) {
            const std::uint32_t apart = empty[i] - empty[i - 1];
            if (apart != 0) step_ = std::min(step_, apart);
        }
        if (step_ == UINT32_MAX) step_ = 1;
        overhead_ = at(empty.begin(), empty.count(), 0.5);
    }

    // What lies at `share` of the sorted readings, with the cost of reading taken off.
    double ns(const std::uint32_t* sorted, std::size_t count, double share) const {
        return std::max(0.0, at(sorted, count, share) - overhead_) * tick_.ns();
    }
    double step_ns() const { return step_ * tick_.ns(); }

  private:
    double at(const std::uint32_t* sorted, std::size_t count, double share) const {
        const double rank = share * static_cast<double>(count - 1);
        const std::uint32_t value = sorted[static_cast<std::size_t>(rank)];
        const auto equal = std::equal_range(sorted, sorted + count, value);
        const auto below = static_cast<double>(equal.first - sorted);
        const auto among = static_cast<double>(equal.second - equal.first);
        return value + step_ * ((rank + 0.5 - below) / among - 0.5);
    }

    bench::TickLength tick_;
    std::uint32_t step_ = UINT32_MAX;
    double overhead_ = 0;
};

// The lengths of calls of one kind, in ticks, in the order in which they were made.
class Samples {
  public:
    Samples(const char* call, std::size_t capacity) : call_(call), ticks_(capacity) {}

    void add(std::uint64_t ticks) {
        ticks_[count_++] = static_cast<std::uint32_t>(std::min<std::uint64_t>(ticks, UINT32_MAX));
    }

    // Sorts what was added from `from` on, whose order is lost.
    void report(const bench::Driver& driver, const Counter& counter, const char* phase = "",
                std::size_t from = 0) {
        std::uint32_t* first = ticks_.begin() + from;
        const std::size_t count = count_ - from;
        if (count == 0) return;
        std::sort(first, first + count);
        constexpr struct {
            const char* name;
            double share;
        } percentiles[] = {{"p50", 0.5},       {"p90", 0.9},         {"p99", 0.99}, {"p99.9", 0.999},
                           {"p99.99", 0.9999}, {"p99.999", 0.99999}, {"max", 1.0}};
        for (const auto& percentile : percentiles) {
            char metric[48];
            std::snprintf(metric, sizeof metric, "%s%s_%s", phase, call_, percentile.name);
            driver.row(metric, counter.ns(first, count, percentile.share), "ns");
        }
    }

  private:
    const char* call_;
    bench::Table<std::uint32_t> ticks_;
    std::size_t count_ = 0;
};

void* timed_make(Samples& samples, std::size_t size) {
    const std::uint64_t start = bench::ticks();
    void* object = std::malloc(size);
    samples.add(bench::ticks() - start);
    if (object == nullptr) bench::fail("malloc returned NULL");
    bench::touch(object, size);
    return object;
}

void timed_drop(Samples& samples, void* object) {
    bench::check(object);
    const std::uint64_t start = bench::ticks();
    std::free(object);
    samples.add(bench::ticks() - start);
}

// Random replacement. Everything counts, the filling from an empty heap too; the steady part is also shown
// alone.
void churn(bench::Driver& driver, const bench::Case& one) {
    const std::size_t operations = driver.scaled(1'000'000);
    bench::pin_to_core(0);
    const Counter counter;
    bench::Rng rng(driver.seed());
    bench::Table<void*> objects(one.count);
    Samples mallocs("malloc", one.count + operations);
    Samples frees("free", operations);

    for (void*& object : objects) object = timed_make(mallocs, rng.size());
    for (std::size_t i = 0; i < operations; ++i) {
        void*& victim = objects[rng.below(one.count)];
        timed_drop(frees, victim);
        victim = timed_make(mallocs, rng.size());
    }
    mallocs.report(driver, counter, "steady_", one.count);
    mallocs.report(driver, counter);
    frees.report(driver, counter);
    driver.row("counter_step", counter.step_ns(), "ns");
}

// Nothing but the first calls of a process.
void cold(bench::Driver& driver, const bench::Case& one) {
    bench::pin_to_core(0);
    const Counter counter;
    bench::Rng rng(driver.seed());
    bench::Table<void*> objects(one.count);
    Samples mallocs("malloc", one.count);
    Samples frees("free", one.count);
    for (void*& object : objects) object = timed_make(mallocs, rng.size());
    for (void* object : objects) timed_drop(frees, object);
    mallocs.report(driver, counter);
    frees.report(driver, counter);
}

// All but one in a hundred of many objects are freed, while a few more are still being allocated: memory is
// being given back. The survivors are spread at random.
void mass_free(bench::Driver& driver, bool shuffled) {
    const std::size_t count = driver.scaled(600'000);
    bench::pin_to_core(0);
    const Counter counter;
    bench::Rng rng(driver.seed());
    bench::Table<void*> objects(count);
    for (void*& object : objects) object = bench::make(rng.size());
    if (shuffled) {
        for (std::size_t i = count - 1; i > 0; --i) std::swap(objects[i], objects[rng.below(i + 1)]);
    }
    Samples mallocs("malloc", count / 16 + 1);
    Samples frees("free", count + count / 16 + 1);
    void* passing = nullptr;
    for (std::size_t i = 0; i < count; ++i) {
        if (rng.below(100) != 0) timed_drop(frees, objects[i]);
        if (i % 16 == 0) {
            if (passing != nullptr) timed_drop(frees, passing);
            passing = timed_make(mallocs, rng.size());
        }
    }
    mallocs.report(driver, counter);
    frees.report(driver, counter);
}

void mass_free_in_order(bench::Driver& driver, const bench::Case&) { mass_free(driver, false); }
void mass_free_shuffled(bench::Driver& driver, const bench::Case&) { mass_free(driver, true); }

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver(
        "latency",
        "Each call is timed with the processor's counter, less what reading it costs: random "
        "replacement among 100,000 objects of 64-768 bytes, the first 10,000 calls of a process, "
        "and frees of nearly everything.");
    driver.add(churn, 100'000, 1, "churn");
    driver.add(cold, 10'000, 1, "cold");
    driver.add(mass_free_in_order, 0, 1, "mass_free_in_order");
    driver.add(mass_free_shuffled, 0, 1, "mass_free_shuffled");
    return driver.main(argc, argv);
}
