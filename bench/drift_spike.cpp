// Drift after a spike: what a program keeps when it needs little again.
#include <time.h>

#include "drift.h"
#include "team.h"

namespace bench {
namespace {

constexpr unsigned seconds_of_pause = 12;  // longer than any peer's delay before it gives memory back

void pause_and_call(Rng& rng) {
    timespec left = {seconds_of_pause, 0};
    nanosleep(&left, nullptr);
    for (unsigned i = 0; i < 2'000; ++i) request(rng);
}

}  // namespace

// Of the objects that a spike adds to what lives anyway a random hundredth stays. The last point is read
// straight after the last free: no other call follows it, but in the form with a pause.
void spike(Driver& driver, const Case& one) {
    const std::size_t base_bytes = driver.scaled(8 * mib);
    const std::size_t peak_bytes = 30 * base_bytes;
    constexpr unsigned steps = 30;
    pin_to_core(0);
    Rng rng(driver.seed());
    const auto size = [&] { return rng.size(); };
    Population base(base_bytes);
    Population burst(peak_bytes);
    Population stays(peak_bytes / 20);
    Watch watch(driver, 2 * steps + 8);

    base.fill(base_bytes, size);
    for (unsigned turn = 0; turn < 4; ++turn) {
        base.shrink(base_bytes / 2, rng);
        base.fill(base_bytes, size);
    }
    std::size_t when = 0;
    watch.note(when++, base.live_bytes());
    for (unsigned step = 1; step <= steps; ++step) {
        burst.fill((peak_bytes - base_bytes) / steps * step, size);
        watch.note(when++, base.live_bytes() + burst.live_bytes());
    }
    const std::size_t peak = watch.resident();
    if (one.count == shuffled) burst.shuffle(rng);
    const std::size_t count = burst.count();
    std::size_t live_bytes = base.live_bytes() + burst.live_bytes();
    std::size_t seen = 0;
    burst.drop_but([&](const Held& held) {
        if (seen % (count / steps) == 0) watch.note(when++, live_bytes);
        ++seen;
        if (rng.below(100) == 0) {
            stays.add(held);
            return true;
        }
        live_bytes -= held.size;
        return false;
    });
    if (one.count == and_pause) {
        watch.note(when++, live_bytes);
        pause_and_call(rng);
    }
    const double ratio = watch.note(when, live_bytes);
    driver.row("per_live_byte", ratio, "bytes");
    driver.row("kept_of_peak", 100 * static_cast<double>(watch.resident()) / static_cast<double>(peak), "%");
}

}  // namespace bench
