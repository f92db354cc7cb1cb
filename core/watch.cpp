#include "watch.h"

#include "options.h"

namespace tslab {

constinit thread_local Watch watch{};
constinit std::atomic<bool> watching{};

void Watch::begin() {
    random = (read_ticks() ^ reinterpret_cast<std::uintptr_t>(this)) * 0x9e3779b97f4a7c15 | 1;
    for (unsigned i = 0; i < 4; i++) next_random();
    rearm(Timed::malloc);
    rearm(Timed::free);
    draw_interval();
    leave();
}

std::uint64_t Watch::next_random() {
    random ^= random >> 12;
    random ^= random << 25;
    random ^= random >> 27;
    return random * 0x2545f4914f6cdd1d;
}

// Evenly from 1 to 2N − 1, so that calls which come in a pattern are not always met at the same place of it.
void Watch::rearm(Timed call) {
    const std::uint64_t every = options.latency;
    const std::uint64_t wait = every == 0 ? UINT32_MAX : 1 + next_random() % (2 * every - 1);
    calls_left[static_cast<unsigned>(call)] = static_cast<std::uint32_t>(wait);
}

void Watch::draw_interval() {
    bytes_left = samples.is_on() ? samples.next_interval(next_random()) : INT64_MAX;
}

}  // namespace tslab
