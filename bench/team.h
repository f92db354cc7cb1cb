// Threads that set up apart, start together, are timed together and clean up apart.
//
// Thread i is pinned to the i-th processor this process may use (modulo their number), so that neither the
// scheduler's luck nor an allocator's choice of arena by processor decides a run.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "clock.h"
#include "driver.h"
#include "objects.h"

namespace bench {

inline void pin_to_core(unsigned index) {
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    unsigned skip = index % static_cast<unsigned>(CPU_COUNT(&allowed));
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed) || skip-- != 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        pthread_setaffinity_np(pthread_self(), sizeof one, &one);
        return;
    }
}

// What a member calls around its timed part; each waits for all members.
class Lap {
  public:
    Lap(pthread_barrier_t& barrier) : barrier_(barrier) {}
    void start() {
        pthread_barrier_wait(&barrier_);
        started_ns_ = now_ns();
    }
    void stop() {
        stopped_ns_ = now_ns();
        pthread_barrier_wait(&barrier_);
    }

  private:
    template <class Body>
    friend double time_team(unsigned threads, Body body);

    pthread_barrier_t& barrier_;
    std::uint64_t started_ns_ = 0;
    std::uint64_t stopped_ns_ = 0;
};

// Runs body(index, lap) in each of the threads; the time from the first start to the last stop, in
// nanoseconds.
template <class Body>
double time_team(unsigned threads, Body body) {
    struct Member {
        Body* body;
        unsigned index;
        Lap lap;
        pthread_t thread;

        static void* run(void* self) {
            auto& member = *static_cast<Member*>(self);
            pin_to_core(member.index);
            (*member.body)(member.index, member.lap);
            return nullptr;
        }
    };
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, threads);
    Table<Member> members(threads);
    for (unsigned i = 0; i < threads; ++i) {
        Member* member = new (&members[i]) Member{&body, i, Lap(barrier), {}};
        if (pthread_create(&member->thread, nullptr, Member::run, member) != 0) fail("no more threads");
    }
    std::uint64_t first = UINT64_MAX;
    std::uint64_t last = 0;
    for (Member& member : members) {
        pthread_join(member.thread, nullptr);
        first = std::min(first, member.lap.started_ns_);
        last = std::max(last, member.lap.stopped_ns_);
    }
    pthread_barrier_destroy(&barrier);
    return static_cast<double>(last - first);
}

// Nanoseconds of one core's time per operation. Threads beyond the cores do not make an operation dearer.
inline double core_ns_per_operation(double wall_ns, unsigned threads, std::size_t operations) {
    return wall_ns * std::min(threads, core_count()) / static_cast<double>(operations);
}

}  // namespace bench
