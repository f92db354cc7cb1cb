// One thread allocates and another frees: the object crosses from the allocator's books of one thread to
// another's.
#include <atomic>
#include <iterator>

#include "driver.h"
#include "objects.h"
#include "ring.h"
#include "team.h"

namespace {

void report(const bench::Driver& driver, double wall_ns, std::size_t objects) {
    driver.row("time", wall_ns / static_cast<double>(objects), "ns/op");
}

// Thread 0 allocates for each of the others in turn; they free.
void one_to_many(bench::Driver& driver, const bench::Case& one) {
    const std::size_t consumers = one.threads - 1;
    const std::size_t warm_up = driver.scaled(200'000) / consumers;
    const std::size_t each = driver.scaled(2'000'000) / consumers;
    bench::Table<bench::Ring> rings(consumers);
    const double wall_ns = bench::time_team(one.threads, [&](unsigned index, bench::Lap& lap) {
        bench::Rng rng(driver.seed());
        const auto turn = [&](std::size_t times) {
            for (std::size_t i = 0; i < times; ++i) {
                if (index != 0) {
                    bench::drop(rings[index - 1].pop());
                } else {
                    for (bench::Ring& ring : rings) ring.push(bench::make(rng.size()));
                }
            }
        };
        turn(warm_up);
        lap.start();
        turn(each);
        lap.stop();
    });
    report(driver, wall_ns, each * consumers);
}

// Each stage frees what it gets and passes on an object of its own: a message is parsed, answered, sent.
void pipeline(bench::Driver& driver, const bench::Case& one) {
    const std::size_t messages = driver.scaled(1'000'000);
    const unsigned last = one.threads - 1;
    bench::Table<bench::Ring> rings(last);
    const double wall_ns = bench::time_team(one.threads, [&](unsigned stage, bench::Lap& lap) {
        bench::Rng rng(driver.seed() * 1'000 + stage);
        const auto turn = [&](std::size_t times) {
            for (std::size_t i = 0; i < times; ++i) {
                void* received = stage == 0 ? nullptr : rings[stage - 1].pop();
                void* sent = stage == last ? nullptr : bench::make(rng.size());
                if (received != nullptr) bench::drop(received);
                if (sent != nullptr) rings[stage].push(sent);
            }
        };
        turn(messages / 10);
        lap.start();
        turn(messages);
        lap.stop();
    });
    report(driver, wall_ns, messages * last);
}

// Tasks wait in a deque under a lock; a worker without any takes half of another's, the oldest first.
class Deque {
  public:
    void push(void* task) {
        lock();
        tasks_[newest_++ % capacity] = task;
        unlock();
    }
    std::size_t pop(void** tasks, std::size_t at_most) {
        lock();
        std::size_t count = 0;
        while (count < at_most && newest_ != oldest_) tasks[count++] = tasks_[--newest_ % capacity];
        unlock();
        return count;
    }
    std::size_t steal(void** tasks, std::size_t at_most) {
        lock();
        const std::size_t half = (newest_ - oldest_ + 1) / 2;
        std::size_t count = 0;
        while (count < half && count < at_most) tasks[count++] = tasks_[oldest_++ % capacity];
        unlock();
        return count;
    }
    static constexpr std::size_t capacity = 1024;

  private:
    void lock() {
        for (bench::Patience patience; busy_.test_and_set(std::memory_order_acquire);) patience.wait();
    }
    void unlock() { busy_.clear(std::memory_order_release); }

    alignas(64) std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
    std::size_t oldest_ = 0;
    std::size_t newest_ = 0;
    void* tasks_[capacity] = {};
};

// The workers take turns at filling their own deque; all of them, its owner too, empty it. Running a task is
// freeing it.
void stealing(bench::Driver& driver, const bench::Case& one) {
    constexpr std::size_t batch = 512;
    const unsigned threads = one.threads;
    const std::size_t rounds = driver.scaled(2'000'000) / batch;
    bench::Table<Deque> deques(threads);
    std::atomic<std::size_t> filled{0};
    std::atomic<std::size_t> remaining{rounds * batch};
    const double wall_ns = bench::time_team(threads, [&](unsigned index, bench::Lap& lap) {
        bench::Rng rng(driver.seed() * 1'000 + index);
        bench::Patience patience;
        lap.start();
        while (remaining.load(std::memory_order_acquire) != 0) {
            std::size_t round = filled.load(std::memory_order_acquire);
            void* tasks[16];
            std::size_t count = deques[index].pop(tasks, std::size(tasks));
            if (count == 0 && round < rounds && round % threads == index) {
                for (std::size_t i = 0; i < batch; ++i) deques[index].push(bench::make(rng.size()));
                filled.store(round + 1, std::memory_order_release);  // pairs with the load above
                continue;
            }
            for (unsigned other = 1; count == 0 && other < threads; ++other) {
                count = deques[(index + other) % threads].steal(tasks, std::size(tasks));
            }
            for (std::size_t i = 0; i < count; ++i) bench::drop(tasks[i]);
            if (count == 0) {
                patience.wait();
            } else {
                patience = {};
                remaining.fetch_sub(count, std::memory_order_acq_rel);
            }
        }
        lap.stop();
    });
    report(driver, wall_ns, rounds * batch);
}

}  // namespace

int main(int argc, char** argv) {
    bench::Driver driver(
        "handoff",
        "Objects of 64-768 bytes allocated by one thread and freed by another: one to one, one to "
        "several, along a pipeline, and between workers that steal each other's tasks.");
    const unsigned cores = bench::core_count() < 2 ? 2 : bench::core_count();
    driver.add(one_to_many, 0, 2, "one_to_one");
    driver.add(one_to_many, 0, cores + 1, "one_to_%u", cores);
    driver.add(pipeline, 0, 3, "pipeline_of_3");
    driver.add(stealing, 0, cores, "stealing_%u_threads", cores);
    return driver.main(argc, argv);
}
