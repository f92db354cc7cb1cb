#include "latency.h"

#include "os.h"
#include "print.h"

namespace tslab {

constinit Latency latency;

namespace {

constexpr const char* kQuantileNames[] = {"p50", "p90", "p99", "p99.9", "p99.99"};
constexpr std::uint64_t kScale = std::uint64_t{1} << 40;  // ticks, to tell their length by
constexpr const char* kNames[] = {"malloc", "free"};

}  // namespace

std::uint64_t Histogram::count() const {
    std::uint64_t total = 0;
    for (unsigned bucket = 0; bucket < kBuckets; bucket++) total += count_in(bucket);
    return total;
}

void Histogram::find_quantiles(const unsigned* per_million, std::uint64_t* values, std::size_t wanted) const {
    const std::uint64_t total = count();
    // Rounded up, and without a product that could overflow.
    const auto rank_of = [total](unsigned share) {
        return total / 1000000 * share + (total % 1000000 * share + 999999) / 1000000;
    };
    std::uint64_t seen = 0;
    std::size_t found = 0;
    for (unsigned bucket = 0; bucket < kBuckets && found < wanted; bucket++) {
        seen += count_in(bucket);
        for (; found < wanted && seen != 0 && seen >= rank_of(per_million[found]); found++) {
            const std::uint64_t most = least_of(bucket + 1) - 1;
            values[found] = most < largest() ? most : largest();
        }
    }
    for (; found < wanted; found++) values[found] = largest();
}

void Latency::start() {
    overhead_ = ~std::uint64_t{0};
    for (unsigned i = 0; i < 100; i++) {
        const std::uint64_t before = read_ticks();
        const std::uint64_t between = read_ticks() - before;
        if (between < overhead_) overhead_ = between;
    }
    started_ns_ = os::monotonic_ns();
    started_ticks_ = read_ticks();
    is_on_ = true;
}

std::atomic<std::uintptr_t>& Latency::chosen(const void* object, unsigned probe) {
    const auto hash = (reinterpret_cast<std::uintptr_t>(object) >> 4) * 0x9e3779b97f4a7c15 >> 40;
    return chosen_[(hash + probe) % kChosen];
}

bool Latency::choose(const void* object) {
    for (unsigned i = 0; i < kProbes; i++) {
        std::uintptr_t none = 0;
        if (chosen(object, i).compare_exchange_strong(none, reinterpret_cast<std::uintptr_t>(object),
                                                      std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

bool Latency::forget(const void* object) {
    for (unsigned i = 0; is_on_ && i < kProbes; i++) {
        auto seen = reinterpret_cast<std::uintptr_t>(object);
        if (chosen(object, i).load(std::memory_order_relaxed) != seen) continue;
        // Two that free one object at once: the second finds it gone.
        return chosen(object, i).compare_exchange_strong(seen, 0, std::memory_order_relaxed);
    }
    return false;
}

std::uint64_t Latency::nanoseconds(std::uint64_t ticks) const {
    const std::uint64_t ticks_passed = read_ticks() - started_ticks_;
    const std::uint64_t ns_passed = os::monotonic_ns() - started_ns_;
    if (ticks_passed == 0) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(ticks) * static_cast<double>(ns_passed) /
                                      static_cast<double>(ticks_passed));
}

Times Latency::times(Timed call) const {
    if (!is_on_) return {};
    const Histogram& histogram = of(call);
    Times times{histogram.count(), {}, 0};
    if (times.timed == 0) return times;
    std::uint64_t ticks[sizeof kQuantiles / sizeof *kQuantiles];
    histogram.quantiles(kQuantiles, ticks);
    const double ns_per_tick = static_cast<double>(nanoseconds(kScale)) / static_cast<double>(kScale);
    const auto ns = [&](std::uint64_t of) {
        return static_cast<std::uint64_t>(static_cast<double>(of) * ns_per_tick);
    };
    for (unsigned i = 0; i < sizeof ticks / sizeof *ticks; i++) times.quantiles_ns[i] = ns(ticks[i]);
    times.max_ns = ns(histogram.largest());
    return times;
}

void Latency::print(const char* program) const {
    Line line;
    line.text(program).text("[").number(static_cast<std::uint64_t>(os::process_id())).text("]");
    for (unsigned call = 0; call < static_cast<unsigned>(Timed::count); call++) {
        const Times times = this->times(static_cast<Timed>(call));
        line.text(call == 0 ? ": " : "; ").text(kNames[call]).text(" in ns: ");
        line.number(times.timed).text(" timed");
        for (unsigned i = 0; i < sizeof kQuantileNames / sizeof *kQuantileNames; i++)
            line.text(", ").text(kQuantileNames[i]).text(" ").number(times.quantiles_ns[i]);
        line.text(", max ").number(times.max_ns);
    }
    line.send();
}

}  // namespace tslab
