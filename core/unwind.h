// Call stacks, taken by libunwind, which is opened only where they are asked for: linked, it would replace
// the unwinder that the process throws exceptions with.
#pragma once

#include "base.h"

namespace tslab {

class Unwinder {
  public:
    // Opens libunwind and lets it make what it makes once. `own` to `own_end` is our code, whose frames are
    // left out. False where there is no libunwind.
    bool start(const void* own, const void* own_end);

    // The return addresses of this thread's stack from our caller on, the innermost first. 0 where none can
    // be taken now. Takes time and libunwind's locks, so the caller holds none; may allocate; keeps errno.
    unsigned take(std::uintptr_t* frames, unsigned most);

    // Around a fork: libunwind's locks must not be held by threads that the child does not have. Stacks are
    // not taken meanwhile; nobody waits for the fork, and it waits for the others a bounded time. A child
    // that was made without them being done takes no stacks, nor do its own. What this thread takes itself,
    // where a signal handler of its own forks, goes on in both processes.
    void pause();
    void resume();
    void resume_in_child();

  private:
    // libunwind probes memory by a pipe that it holds open, and trusts its ends' numbers: where a program has
    // closed all files and opened others, it would read from and write to those. False there.
    bool pipe_is_kept() const;

    int (*backtrace_)(void** frames, int most) = nullptr;  // fixed
    std::uintptr_t own_ = 0;                               // fixed
    std::uintptr_t own_end_ = 0;                           // fixed
    int read_end_ = -1;                                    // fixed
    int write_end_ = -1;                                   // fixed
    unsigned long pipe_ = 0;                               // fixed: 0 where libunwind made none at the start
    std::atomic<unsigned> taking_{};                       // any: stacks being taken now
    std::atomic<unsigned> pauses_{};                       // any: forks under way
    Shared<bool> off_;                                     // a new child: libunwind may stay locked
};

TSLAB_INTERNAL extern constinit Unwinder unwinder;

}  // namespace tslab
