#include "unwind.h"

#include <dlfcn.h>
#include <errno.h>

#include "os.h"

namespace tslab {

constinit Unwinder unwinder;

namespace {

constexpr unsigned kMostFrames = 80;
constexpr unsigned kWaits = 200;
constexpr unsigned long kWaitMicroseconds = 500;

// Whether taking_ counts this thread, for a signal handler of its own that forks. Never set while it does
// not: the fork would not wait for another thread that is counted.
constinit thread_local bool takes_here = false;

}  // namespace

bool Unwinder::start(const void* own, const void* own_end) {
    // A new file has the lowest number that is free, and ours none of a standard file's: the pipe's ends get
    // the two that these two had.
    const os::StandardFilesTaken taken;
    const int read_end = os::open_file("/");
    const int write_end = os::open_file("/");
    os::close_file(write_end);
    os::close_file(read_end);
    void* const library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return false;
    void* const found = dlsym(library, "unw_backtrace");
    if (found == nullptr) return false;
    own_ = reinterpret_cast<std::uintptr_t>(own);
    own_end_ = reinterpret_cast<std::uintptr_t>(own_end);
    backtrace_ = reinterpret_cast<int (*)(void**, int)>(found);
    std::uintptr_t frames[kMostFrames];
    if (take(frames, kMostFrames) == 0) return false;
    const unsigned long pipe = os::pipe_of(read_end);
    if (pipe != os::pipe_of(write_end)) return true;
    read_end_ = read_end;
    write_end_ = write_end;
    pipe_ = pipe;
    return true;
}

bool Unwinder::pipe_is_kept() const {
    return pipe_ == 0 || (os::pipe_of(read_end_) == pipe_ && os::pipe_of(write_end_) == pipe_);
}

unsigned Unwinder::take(std::uintptr_t* frames, unsigned most) {
    // Sequentially consistent, as in pause: either this thread sees the pause or the pause sees this thread.
    taking_.fetch_add(1, std::memory_order_seq_cst);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    takes_here = true;
    int count = 0;
    void* all[kMostFrames];
    if (pauses_.load(std::memory_order_seq_cst) == 0 && !off_.get() && pipe_is_kept()) {
        const int error = errno;
        count = backtrace_(all, kMostFrames);
        errno = error;
    }
    takes_here = false;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    taking_.fetch_sub(1, std::memory_order_release);  // pairs with pause: libunwind is left as it must be
    int from = 0;
    for (; from < count; from++) {
        const auto at = reinterpret_cast<std::uintptr_t>(all[from]);
        if (at < own_ || at >= own_end_) break;
    }
    unsigned kept = 0;
    for (; from < count && kept < most; from++) {
        const auto at = reinterpret_cast<std::uintptr_t>(all[from]);
        if (at != 0) frames[kept++] = at;
    }
    return kept;
}

void Unwinder::pause() {
    const unsigned own = takes_here ? 1 : 0;
    // Sequentially consistent, as in take.
    pauses_.fetch_add(1, std::memory_order_seq_cst);
    for (unsigned i = 0; i < kWaits && !off_.get() && taking_.load(std::memory_order_seq_cst) > own; i++) {
        os::sleep_us(kWaitMicroseconds);
    }
}

// Pairs with take.
void Unwinder::resume() { pauses_.fetch_sub(1, std::memory_order_release); }

void Unwinder::resume_in_child() {
    const unsigned own = takes_here ? 1 : 0;
    if (taking_.exchange(own, std::memory_order_relaxed) > own) off_.set(true);
    pauses_.store(0, std::memory_order_relaxed);
}

}  // namespace tslab
