// Calls that are looked at, to sample them or to time them, while all others stay on the fast path.
//
// Requests are counted by what counts them anyway: a bin is armed for so many takes, and the one after those
// leaves the fast path. So a request is looked at whatever was freed in between, and costs nothing until
// then.
//
//   a bin is armed for the least of waits.sample, waits.timing and waits.glance, each 1 at least
//
//   P(a request of n bytes is sampled) == 1 − exp(−n / rate), whatever was sampled before
//
// A sample is waited for in units of the class's size s: a distance d from the exponential distribution ends
// in the request number d / s + 1, and falls on it where d mod s is less than the bytes it asks for.
//
// A call is not timed when it is found to be due, since the finding has had the bin read, but the next one of
// the thread is: until then the thread's bins are hidden. Frees are timed for objects that were chosen when
// they were allocated. Both kinds of objects, sampled and chosen, are marked, see slab.h.
#pragma once

#include "heap.h"
#include "latency.h"
#include "samples.h"

namespace tslab {

class Watch {
  public:
    // What a request turned out to be.
    struct Found {
        bool sample;
        bool timing;  // the object's free is to be timed, and the thread's next request
        bool glance;  // time to call after_tick: where slots go back and forth, the thread does not tick
    };

    // Arms it where it is not.
    void arm(Bin& bin, std::size_t c);
    // Of a bin that refused to give a slot for this many bytes: takes succeed from here on, as far as there
    // are slots.
    Found look_at(Bin& bin, std::size_t c, std::size_t bytes);

    bool busy = false;  // in the middle of taking a sample: calls from within are neither sampled nor timed

  private:
    std::uint64_t next_random();
    void draw_sample(Bin& bin, std::size_t c);
    void draw_timing(Bin& bin);

    std::uint64_t random_ = 0;  // the state of a xorshift; 0 before the first
};

TSLAB_INTERNAL extern constinit thread_local Watch watch;

// Whether requests are looked at at all. Set once, when what the options ask for is ready.
TSLAB_INTERNAL extern constinit std::atomic<bool> watching;

}  // namespace tslab
