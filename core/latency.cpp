#include "latency.h"

#include "os.h"
#include "print.h"

namespace tslab {

constinit Latency latency;

namespace {

struct Row {
    const char* name;
    unsigned per_million;
};
constexpr Row kRows[] = {
    {"p50", 500000}, {"p90", 900000}, {"p99", 990000}, {"p99.9", 999000}, {"p99.99", 999900}};
constexpr const char* kNames[] = {"malloc", "free"};

}  // namespace

std::uint64_t Histogram::count() const {
    std::uint64_t total = 0;
    for (unsigned bucket = 0; bucket < kBuckets; bucket++) total += count_in(bucket);
    return total;
}

std::uint64_t Histogram::quantile(unsigned per_million) const {
    const std::uint64_t total = count();
    // Rounded up, and without a product that could overflow.
    const std::uint64_t rank =
        total / 1000000 * per_million + (total % 1000000 * per_million + 999999) / 1000000;
    std::uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < kBuckets; bucket++) {
        seen += count_in(bucket);
        if (seen == 0 || seen < rank) continue;
        const std::uint64_t most = least_of(bucket + 1) - 1;
        return most < largest() ? most : largest();
    }
    return largest();
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

void Latency::print(const char* program) const {
    Line line;
    line.text(program).text("[").number(static_cast<std::uint64_t>(os::process_id())).text("]");
    for (unsigned call = 0; call < static_cast<unsigned>(Timed::count); call++) {
        const Histogram& times = histograms_[call];
        line.text(call == 0 ? ": " : "; ").text(kNames[call]).text(" in ns: ");
        line.number(times.count()).text(" timed");
        for (const Row& row : kRows) {
            line.text(", ").text(row.name).text(" ").number(nanoseconds(times.quantile(row.per_million)));
        }
        line.text(", max ").number(nanoseconds(times.largest()));
    }
    line.send();
}

}  // namespace tslab
