// A queue of pointers between two threads, the same under every allocator and never allocating.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstddef>

namespace bench {

inline void pause_a_little() {
#if defined(__x86_64__)
    asm volatile("pause");
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Spins briefly, then gives up the core: the other side may need it.
class Patience {
  public:
    void wait() {
        if (++tries_ < 64) {
            pause_a_little();
        } else {
            sched_yield();
        }
    }

  private:
    unsigned tries_ = 0;
};

// One producer, one consumer. Each keeps a copy of the other's index and looks again only when it runs out.
class Ring {
  public:
    void push(void* object) {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        for (Patience patience; head - tail_seen_ == capacity; patience.wait()) {
            tail_seen_ = tail_.load(std::memory_order_acquire);  // pairs with pop
            if (head - tail_seen_ != capacity) break;
        }
        objects_[head % capacity] = object;
        head_.store(head + 1, std::memory_order_release);  // pairs with pop
    }

    void* pop() {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        for (Patience patience; head_seen_ == tail; patience.wait()) {
            head_seen_ = head_.load(std::memory_order_acquire);  // pairs with push
            if (head_seen_ != tail) break;
        }
        void* object = objects_[tail % capacity];
        tail_.store(tail + 1, std::memory_order_release);  // pairs with push
        return object;
    }

  private:
    static constexpr std::size_t capacity = 1024;

    alignas(64) std::atomic<std::size_t> head_{0};
    std::size_t tail_seen_ = 0;
    alignas(64) std::atomic<std::size_t> tail_{0};
    std::size_t head_seen_ = 0;
    alignas(64) void* objects_[capacity] = {};
};

}  // namespace bench
