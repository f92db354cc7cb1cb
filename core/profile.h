// The files that TSLAB_PROFILE asks for:
//
//   .heap       call sites with live and cumulative samples, as text that google-pprof, jeprof and Go's pprof
//               read; raw samples, which the reader scales by the rate in the first line
//   .pinners    call sites by the bytes of closed epochs' pages that their objects pin, see pinners.h
//   .folded     the same as one line for each call stack, outermost first, for flame graphs
//   .lifetimes  call sites by the epochs that their objects lived
#pragma once

#include "output.h"
#include "pinners.h"
#include "symbols.h"

namespace tslab {

class Profile {
  public:
    // Writes all of them over what is there under these names. Takes time, no allocation and no lock that
    // others wait for. False, after a line on stderr, where one cannot be written, and without where nothing
    // is sampled or another thread is at it.
    bool write();

    // The same as the process ends: another thread that is at it is waited for, two seconds at most.
    void write_last();

    // Where the heap profile is, once it was written.
    void copy_path(char (&path)[kPathRoom]) const;

    // In a forked child: nobody is at it.
    void begin_generation() { writing_.store(false, std::memory_order_relaxed); }

  private:
    std::atomic<bool> writing_{};  // any; a try-lock
};

TSLAB_INTERNAL extern constinit Profile profile;

}  // namespace tslab
