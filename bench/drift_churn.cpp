// Drift at constant live bytes, in one thread.
#include "drift.h"
#include "team.h"

namespace bench {
namespace {

constexpr std::size_t cycles = 1'000;
constexpr std::size_t settled = 50;  // the cycle from which growth counts

bool is_noted(std::size_t cycle) { return cycle <= 10 || cycle % 10 == 0; }
constexpr std::size_t most_points = 10 + cycles / 10;

// Runs the cycles; what is resident at the last, and how much more than at the fiftieth.
template <class Cycle>
void watch_cycles(Driver& driver, Population& population, Cycle run_cycle) {
    Watch watch(driver, most_points);
    double early = 0;
    double late = 0;
    for (std::size_t cycle = 1; cycle <= cycles; ++cycle) {
        run_cycle();
        if (!is_noted(cycle)) continue;
        late = watch.note(cycle, population.live_bytes());
        if (cycle == settled) early = late;
    }
    driver.row("growth", 100 * (late / early - 1), "%");
    driver.row("per_live_byte", late, "bytes");
}

// Objects that die in the order in which they came.
class Queue {
  public:
    explicit Queue(std::size_t most_bytes) : held_(2 * most_bytes / least_size) {}

    std::size_t live_bytes() const { return live_bytes_; }
    void add(Held held) {
        held_[end_++ % held_.count()] = held;
        live_bytes_ += held.size;
    }
    // Frees the oldest until no more than `bytes` live.
    void shrink(std::size_t bytes) {
        while (live_bytes_ > bytes) {
            const Held& oldest = held_[begin_++ % held_.count()];
            live_bytes_ -= oldest.size;
            drop(oldest.object);
        }
    }

  private:
    Table<Held> held_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t live_bytes_ = 0;
};

struct Sizes {
    std::size_t least;
    std::size_t greatest;
};

// The middle of the sizes moves up and down through the range, a step from one phase to the next.
Sizes sizes_of(std::size_t phase) {
    constexpr std::size_t steps = 8;
    constexpr std::size_t width = (greatest_size - least_size) / steps;
    const std::size_t place = phase * 3 % steps;
    return {least_size + place * width, least_size + (place + 1) * width};
}

}  // namespace

// A random quarter dies, and others of any size come.
void steady(Driver& driver, const Case&) {
    constexpr std::size_t live_bytes = 32 * mib;
    pin_to_core(0);
    Rng rng(driver.seed());
    Population population(live_bytes);
    const std::size_t dying = driver.scaled(live_bytes / 4);
    watch_cycles(driver, population, [&] {
        if (population.live_bytes() >= dying) population.shrink(live_bytes - dying, rng);
        population.fill(live_bytes, [&] { return rng.size(); });
    });
}

// 50,000 sessions of one object each; those that expire do so at random between requests.
void sessions(Driver& driver, const Case&) {
    constexpr std::size_t live_bytes = 50'000 * (least_size + greatest_size) / 2;
    pin_to_core(0);
    Rng rng(driver.seed());
    Population population(live_bytes);
    const std::size_t requests = driver.scaled(500);
    watch_cycles(driver, population, [&] {
        for (std::size_t i = 0; i < requests; ++i) {
            population.fill(live_bytes, [&] { return rng.size(); });
            for (unsigned expiring = 0; expiring < 4; ++expiring) population.drop_random(rng);
            request(rng);
        }
        population.fill(live_bytes, [&] { return rng.size(); });
    });
}

// Each phase has sizes of its own. Of what a phase leaves, a random fiftieth stays for the next twenty. Two
// points of each are compared: all that a phase makes lives, and only what is left of twenty.
void phases(Driver& driver, const Case&) {
    constexpr std::size_t full_bytes = 32 * mib;
    constexpr std::size_t left_bytes = full_bytes / 50;
    constexpr std::size_t staying = 20;
    const std::size_t count = std::max<std::size_t>(2 * staying, driver.scaled(100));
    pin_to_core(0);
    Rng rng(driver.seed());
    Population working(full_bytes);
    Queue left(staying * left_bytes);
    Watch watch(driver, 2 * count);
    double full = 0;
    double low = 0;
    for (std::size_t phase = 0; phase < count; ++phase) {
        const Sizes sizes = sizes_of(phase);
        const auto size = [&] { return rng.between(sizes.least, sizes.greatest); };
        working.fill(full_bytes, size);
        working.shrink(full_bytes / 2, rng);
        working.fill(full_bytes, size);
        full = watch.note(2 * phase, working.live_bytes() + left.live_bytes());
        left.shrink((staying - 1) * left_bytes);
        for (std::size_t bytes = 0; bytes < left_bytes;) {
            const Held stays = working.take_random(rng);
            left.add(stays);
            bytes += stays.size;
        }
        working.drop_all();
        low = watch.note(2 * phase + 1, left.live_bytes());
    }
    driver.row("per_live_byte", full, "bytes");
    driver.row("per_live_byte_low", low, "bytes");
}

// Requests of which one object in fifty joins a long-lived set, where a random one makes room for it. Many
// requests are under way at once in a busy hour, few in a quiet one; points are compared at the end of quiet
// hours.
void survivors(Driver& driver, const Case&) {
    constexpr std::size_t set_bytes = 16 * mib;
    constexpr std::size_t busy = 2'000;
    constexpr std::size_t quiet = 20;
    constexpr std::size_t greatest_request = 60;
    const std::size_t hours = 2 * std::max<std::size_t>(20, driver.scaled(60));
    pin_to_core(0);
    Rng rng(driver.seed());
    Population set(set_bytes + greatest_size);
    Table<Held> objects(busy * greatest_request);
    Table<std::size_t> counts(busy);  // objects of each request under way
    const auto end_request = [&](std::size_t which) {
        Held* const mine = &objects[which * greatest_request];
        for (std::size_t i = 0; i < counts[which]; ++i) {
            if (rng.below(50) == 0) {
                set.shrink(set_bytes - mine[i].size, rng);
                set.add(mine[i]);
            } else {
                drop(mine[i].object);
            }
        }
        counts[which] = 0;
    };
    const auto begin_request = [&](std::size_t which) {
        counts[which] = rng.between(20, greatest_request);
        for (std::size_t i = 0; i < counts[which]; ++i) {
            const std::size_t size = rng.size();
            objects[which * greatest_request + i] = {make(size), size};
        }
    };
    Watch watch(driver, hours + 1);
    set.fill(set_bytes, [&] { return rng.size(); });
    double last = 0;
    for (std::size_t hour = 1; hour <= hours; ++hour) {
        const std::size_t under_way = hour % 2 == 1 ? busy : quiet;
        for (std::size_t which = under_way; which < busy; ++which) end_request(which);
        for (std::size_t i = 0; i < 5 * busy; ++i) {
            const std::size_t which = rng.below(under_way);
            end_request(which);
            begin_request(which);
        }
        std::size_t live_bytes = set.live_bytes();
        for (std::size_t which = 0; which < under_way; ++which) {
            for (std::size_t i = 0; i < counts[which]; ++i) {
                live_bytes += objects[which * greatest_request + i].size;
            }
        }
        last = watch.note(hour, live_bytes);
    }
    driver.row("per_live_byte", last, "bytes");
}

}  // namespace bench
