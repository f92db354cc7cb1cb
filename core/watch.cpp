#include "watch.h"

#include "options.h"

namespace tslab {

constinit thread_local Watch watch{};
constinit std::atomic<bool> watching{};

namespace {

constexpr std::uint32_t kLongest = 1u << 30;  // what is farther off is waited for in several parts

constexpr std::uint32_t kGlances = 512;

std::uint32_t next_of(const Bin& bin) {
    const std::uint32_t looked = bin.waits.sample < bin.waits.timing ? bin.waits.sample : bin.waits.timing;
    return looked < bin.waits.glance ? looked : bin.waits.glance;
}

std::uint32_t glance_wait() {
    return after_tick.load(std::memory_order_relaxed) != nullptr ? kGlances : kLongest;
}

}  // namespace

std::uint64_t Watch::next_random() {
    if (random_ == 0)
        random_ = (read_ticks() ^ reinterpret_cast<std::uintptr_t>(this)) * 0x9e3779b97f4a7c15 | 1;
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return random_ * 0x2545f4914f6cdd1d;
}

// Exponential distances have no memory: a wait that is cut short may be drawn anew.
void Watch::draw_sample(Bin& bin, std::size_t c) {
    bin.waits.sample = kLongest;
    bin.waits.least = UINT16_MAX;
    if (!samples.is_on()) return;
    const auto distance = static_cast<std::uint64_t>(samples.next_interval(next_random()));
    if (distance / class_size(c) >= kLongest) return;
    bin.waits.sample = static_cast<std::uint32_t>(distance / class_size(c)) + 1;
    bin.waits.least = static_cast<std::uint16_t>(distance % class_size(c));
}

// Evenly from 1 to 2N − 1, so that calls which come in a pattern are not always met at the same place of it.
void Watch::draw_timing(Bin& bin) {
    const std::uint64_t every = options.latency;
    const std::uint64_t wait = every == 0 ? kLongest : 1 + next_random() % (2 * every - 1);
    bin.waits.timing = wait < kLongest ? static_cast<std::uint32_t>(wait) : kLongest;
}

void Watch::arm(Bin& bin, std::size_t c) {
    if (bin.is_armed()) return;
    if (random_ == 0) {
        // The first numbers of a xorshift resemble its seed, and those of threads each other.
        for (unsigned i = 0; i < 4; i++) next_random();
    }
    draw_sample(bin, c);
    draw_timing(bin);
    bin.waits.glance = glance_wait();
    bin.arm(next_of(bin) - 1);
}

Watch::Found Watch::look_at(Bin& bin, std::size_t c, std::size_t bytes) {
    arm(bin, c);
    if (!bin.is_due()) return {};
    const std::uint32_t passed = next_of(bin);
    bin.waits.sample -= passed;
    bin.waits.timing -= passed;
    bin.waits.glance -= passed;
    Found found{};
    if (bin.waits.sample == 0) {
        found.sample = bin.waits.least < bytes;
        draw_sample(bin, c);
    }
    if (bin.waits.timing == 0) {
        found.timing = options.latency != 0;
        draw_timing(bin);
    }
    if (bin.waits.glance == 0) {
        found.glance = true;
        bin.waits.glance = glance_wait();
    }
    bin.arm(next_of(bin));  // the take that was refused is the first of them
    return found;
}

}  // namespace tslab
