// Many short-lived objects between few long-lived ones, as servers make them: what one event allocates dies
// with it, while now and then an object stays for thousands of events.
#include <iterator>

#include "clock.h"
#include "driver.h"
#include "objects.h"
#include "team.h"

namespace {

struct SizeRange {
    unsigned low;
    unsigned high;
    unsigned weight;
};

struct Mix {
    const char* name;
    SizeRange brief[3];  // freed when their event ends
    SizeRange lasting;   // one is replaced at random after each event
    unsigned brief_per_event[2];
    unsigned lasting_live;
    bool oldest_first;  // the order in which an event's objects are freed
};

constexpr Mix mixes[] = {
    // Quotes come and go with each tick of the market, a few fills with them; orders rest in the book.
    {"order_quote_fill", {{96, 96, 16}, {128, 192, 3}, {64, 64, 1}}, {224, 320, 1}, {10, 30}, 20'000, false},
    // A request's headers, fields and buffers die with it; sessions stay.
    {"session_request", {{64, 128, 10}, {129, 384, 5}, {385, 768, 1}}, {512, 768, 1}, {20, 60}, 10'000, true},
    // A look-up parses a key and writes a reply; entries stay until another takes their place.
    {"cache_entries", {{64, 96, 2}, {256, 512, 1}, {64, 768, 1}}, {100, 700, 1}, {2, 6}, 100'000, true},
};

std::size_t brief_size(const Mix& mix, bench::Rng& rng) {
    std::size_t draw = rng.below(mix.brief[0].weight + mix.brief[1].weight + mix.brief[2].weight);
    const SizeRange* range = mix.brief;
    while (draw >= range->weight) draw -= (range++)->weight;
    return rng.between(range->low, range->high);
}

void run(bench::Driver& driver, const bench::Case& one) {
    const Mix& mix = mixes[one.count];
    bench::pin_to_core(0);
    bench::Rng rng(driver.seed());
    bench::Table<void*> lasting(mix.lasting_live);
    for (void*& object : lasting) object = bench::make(rng.between(mix.lasting.low, mix.lasting.high));

    std::size_t operations = 0;
    const auto turn = [&](std::size_t at_least) {
        void* brief[64];
        for (operations = 0; operations < at_least;) {
            const std::size_t count = rng.between(mix.brief_per_event[0], mix.brief_per_event[1]);
            for (std::size_t i = 0; i < count; ++i) brief[i] = bench::make(brief_size(mix, rng));
            void*& victim = lasting[rng.below(mix.lasting_live)];
            bench::drop(victim);
            victim = bench::make(rng.between(mix.lasting.low, mix.lasting.high));
            for (std::size_t i = 0; i < count; ++i) bench::drop(brief[mix.oldest_first ? i : count - 1 - i]);
            operations += count + 1;
        }
    };
    turn(driver.scaled(1'000'000));
    const auto start = bench::now_ns();
    turn(driver.scaled(5'000'000));
    const auto elapsed = bench::now_ns() - start;
    driver.row("time", static_cast<double>(elapsed) / static_cast<double>(operations), "ns/op");
}

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver("burst",
                         "Short-lived objects between a few long-lived ones; a case is a mix of sizes.");
    for (std::size_t i = 0; i < std::size(mixes); ++i) driver.add(run, i, 1, "%s", mixes[i].name);
    return driver.main(argc, argv);
}
