// Drift between threads: what a thread built and others freed, and what threads leave when they end.
#include <pthread.h>

#include "drift.h"
#include "team.h"

namespace bench {
namespace {

// Memory for stacks that is resident throughout, so that the C library's own store of stacks does not count.
class Stacks {
  public:
    explicit Stacks(unsigned threads) : memory_(threads * stack_bytes) {
        for (unsigned char& byte : memory_) byte = 1;
    }
    void start(unsigned index, pthread_t& thread, void* (*run)(void*), void* argument) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstack(&attributes, &memory_[index * stack_bytes], stack_bytes);
        if (pthread_create(&thread, &attributes, run, argument) != 0) fail("no more threads");
        pthread_attr_destroy(&attributes);
    }

  private:
    static constexpr std::size_t stack_bytes = 128 * 1024;
    Table<unsigned char> memory_;
};

// With and without a MiB that an allocator may keep however little lives.
void report(Driver& driver, const char* prefix, std::size_t resident_bytes, std::size_t live_bytes) {
    const auto resident = static_cast<double>(resident_bytes);
    const auto live = static_cast<double>(live_bytes);
    char metric[48];
    std::snprintf(metric, sizeof metric, "%sper_live_byte", prefix);
    driver.row(metric, resident / live, "bytes");
    std::snprintf(metric, sizeof metric, "%sless_1_mib_per_live_byte", prefix);
    driver.row(metric, (resident - mib) / live, "bytes");
}

constexpr unsigned freeing_threads = 2;

struct Site {
    Population* built;
    std::size_t built_bytes;
    std::uint64_t seed;
    pthread_barrier_t* barrier;  // of the builder and who watches: when it has built, and at the end
};

void* build_and_sleep(void* argument) {
    Site& site = *static_cast<Site*>(argument);
    Rng rng(site.seed);
    site.built->fill(site.built_bytes, [&] { return rng.size(); });
    pthread_barrier_wait(site.barrier);
    pthread_barrier_wait(site.barrier);
    return nullptr;
}

struct FreeingShare {
    Population* built;
    std::size_t first;
    std::size_t end;
};

void* free_share(void* argument) {
    const FreeingShare& share = *static_cast<FreeingShare*>(argument);
    for (std::size_t i = share.first; i < share.end; i += freeing_threads) drop(share.built->at(i).object);
    return nullptr;
}

}  // namespace

// One thread builds and sleeps. Two others free what it built but the newest eighth, turn about; they do
// nothing else. Then a fourth has work of its own.
void builder(Driver& driver, const Case&) {
    constexpr std::size_t built_bytes = 64 * mib;
    constexpr unsigned steps = 16;
    Rng rng(driver.seed());
    Stacks stacks(1 + freeing_threads);
    Population built(built_bytes);
    Population other(mib);
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 2);
    Watch watch(driver, steps + 3);

    Site site{&built, built_bytes, driver.seed(), &barrier};
    pthread_t builder;
    stacks.start(0, builder, build_and_sleep, &site);
    pthread_barrier_wait(&barrier);
    std::size_t when = 0;
    std::size_t live_bytes = built.live_bytes();
    watch.note(when++, live_bytes);
    const std::size_t freed = built.count() - built.count() / 8;
    for (unsigned step = 0; step < steps; ++step) {
        pthread_t threads[freeing_threads];
        FreeingShare shares[freeing_threads];
        const std::size_t first = freed * step / steps;
        const std::size_t end = freed * (step + 1) / steps;
        for (std::size_t i = first; i < end; ++i) live_bytes -= built.at(i).size;
        for (unsigned i = 0; i < freeing_threads; ++i) {
            shares[i] = {&built, first + i, end};
            stacks.start(1 + i, threads[i], free_share, &shares[i]);
        }
        for (pthread_t thread : threads) pthread_join(thread, nullptr);
        watch.note(when++, live_bytes);
    }
    const std::size_t resident = watch.resident();
    report(driver, "", resident, live_bytes);
    for (unsigned turn = 0; turn < 64; ++turn) {
        other.fill(mib / 2, [&] { return rng.size(); });
        other.drop_all();
    }
    watch.note(when, live_bytes);
    report(driver, "later_", watch.resident(), live_bytes);
    pthread_barrier_wait(&barrier);
    pthread_join(builder, nullptr);
    pthread_barrier_destroy(&barrier);
}

namespace {

constexpr unsigned kept_by_each = 4;

// A thread's short life: 200 objects, of which some outlive it.
struct ShortLife {
    std::uint64_t seed;
    Held kept[kept_by_each];
};

void* live_shortly(void* argument) {
    ShortLife& life = *static_cast<ShortLife*>(argument);
    constexpr std::size_t objects = 200;
    Rng rng(life.seed);
    void* mine[objects];
    std::size_t sizes[objects];
    for (std::size_t i = 0; i < objects; ++i) mine[i] = make(sizes[i] = rng.size());
    for (Held& kept : life.kept) {
        std::size_t which = rng.below(objects);
        while (mine[which] == nullptr) which = (which + 1) % objects;
        kept = {mine[which], sizes[which]};
        mine[which] = nullptr;
    }
    for (void* object : mine) {
        if (object != nullptr) drop(object);
    }
    return nullptr;
}

}  // namespace

// Threads, a few at a time, that end soon. The objects that outlive them live on until a random one of a
// bounded set makes room.
void short_threads(Driver& driver, const Case& one) {
    constexpr std::size_t set_bytes = 4 * mib;
    const std::size_t rounds = driver.scaled(10'000 / one.threads);
    const std::size_t noted = rounds < 100 ? 1 : rounds / 100;
    Rng rng(driver.seed());
    Stacks stacks(one.threads);
    Table<pthread_t> threads(one.threads);
    Table<ShortLife> lives(one.threads);
    Population set(set_bytes + mib);
    Watch watch(driver, 102 + rounds / noted);
    for (std::size_t round = 1; round <= rounds; ++round) {
        for (unsigned i = 0; i < one.threads; ++i) {
            lives[i].seed = rng.next();
            stacks.start(i, threads[i], live_shortly, &lives[i]);
        }
        for (pthread_t thread : threads) pthread_join(thread, nullptr);
        for (const ShortLife& life : lives) {
            for (const Held& kept : life.kept) set.add(kept);
        }
        set.shrink(set_bytes, rng);
        if (round % noted == 0) watch.note(round * one.threads, set.live_bytes());
    }
    report(driver, "", watch.resident(), set.live_bytes());
}

}  // namespace bench
