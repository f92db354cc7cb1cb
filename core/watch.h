// A watched thread: one whose every call is looked at, to time it or to sample it. Where nothing asks for
// that the fast path does not know of it: while a watched thread is outside of the allocator this_thread
// names no bins, so that each call fails the guards there are and comes to the cold partner.
//
//   outside  this_thread.bins is null and its home kNowhere
//   inside   they are those in force; calls from within are not watched
#pragma once

#include "heap.h"
#include "latency.h"
#include "samples.h"

namespace tslab {

struct Watch {
    enum class State : unsigned char { off, outside, inside };

    std::int64_t bytes_left = 0;  // below zero: the object just taken is a sample
    std::uint64_t random = 0;     // the state of a xorshift
    std::uint32_t calls_left[static_cast<unsigned>(Timed::count)]{};  // until the next one that is timed
    State state = State::off;

    // A thread that is gone, or stands aside, is not watched meanwhile.
    bool is_outside() const { return state == State::outside && !this_thread.gone; }

    void begin();  // this thread is watched from here on, and outside
    void enter() {
        Bins& bins = this_thread.heap->in_force();
        this_thread.bins = bins.of;
        this_thread.home = bins.home.get();
        state = State::inside;
    }
    void leave() {
        this_thread.bins = nullptr;
        this_thread.home = kNowhere;
        state = State::outside;
    }
    void end() {  // this thread is not watched any more
        if (state == State::outside) enter();
        state = State::off;
    }

    // Whether this call is one to be timed.
    bool counts_down(Timed call) { return --calls_left[static_cast<unsigned>(call)] == 0; }
    void rearm(Timed call);
    std::uint64_t next_random();
    void draw_interval();
};

TSLAB_INTERNAL extern constinit thread_local Watch watch;

// Whether threads are to be watched. Set once, when what the options ask for is ready.
TSLAB_INTERNAL extern constinit std::atomic<bool> watching;

}  // namespace tslab
