// What the cases of the driver `drift` share: memory as it is watched over a run.
#pragma once

#include "driver.h"
#include "kernel_view.h"
#include "population.h"

namespace bench {

inline constexpr std::size_t mib = std::size_t{1} << 20;

// Resident bytes beside live bytes, at points of a run. What was resident when it was made, which includes
// every table made before it, does not count.
class Watch {
  public:
    Watch(Driver& driver, std::size_t most_points)
        : driver_(driver), points_(most_points), before_(resident_bytes()) {}

    // The lines `resident` and `live` of a plot.
    ~Watch() {
        for (std::size_t i = 0; i < count_; ++i) {
            const Point& point = points_[i];
            driver_.point("resident", point.at, static_cast<double>(point.resident_bytes) / mib, "MiB");
            driver_.point("live", point.at, static_cast<double>(point.live_bytes) / mib, "MiB");
        }
    }

    std::size_t resident() const {
        const std::size_t now = resident_bytes();
        return now > before_ ? now - before_ : 0;
    }

    // Notes a point; resident bytes for each live one.
    double note(std::size_t at, std::size_t live_bytes) {
        if (count_ == points_.count()) fail("a watch has no more room");
        const std::size_t now = resident();
        points_[count_++] = {at, now, live_bytes};
        return static_cast<double>(now) / static_cast<double>(live_bytes);
    }

  private:
    struct Point {
        std::size_t at;
        std::size_t resident_bytes;
        std::size_t live_bytes;
    };

    Driver& driver_;
    Table<Point> points_;
    std::size_t count_ = 0;
    std::size_t before_;
};

// A request: objects that die with it, last made first.
inline void request(Rng& rng) {
    void* objects[60];
    const std::size_t count = rng.between(20, 60);
    for (std::size_t i = 0; i < count; ++i) objects[i] = make(rng.size());
    for (std::size_t i = count; i-- > 0;) drop(objects[i]);
}

// One thread: what lives changes, how much lives does not.
void steady(Driver&, const Case&);
void sessions(Driver&, const Case&);
void phases(Driver&, const Case&);
void survivors(Driver&, const Case&);

// One thread: what lives grows thirtyfold and falls again. Case::count is a SpikeForm.
enum SpikeForm : std::size_t { in_order, shuffled, and_pause };
void spike(Driver&, const Case&);

// Several threads.
void builder(Driver&, const Case&);
void short_threads(Driver&, const Case&);

}  // namespace bench
