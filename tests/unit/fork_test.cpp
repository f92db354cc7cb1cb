// fork while another thread stands between two of its steps: the child has that thread's slabs and not the
// thread.
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <barrier>

#include "core/domain.h"
#include "core/unwind.h"
#include "residency.h"

using namespace tslab;
using namespace tslab::test;

namespace tslab::test {

struct FreeBytes {
    using Type = std::size_t Reclaim::*;
    friend Type member(FreeBytes);
};
template struct Open<FreeBytes, &Reclaim::free_bytes_>;
struct KeptBytes {
    using Type = std::size_t Reclaim::*;
    friend Type member(KeptBytes);
};
template struct Open<KeptBytes, &Reclaim::kept_bytes_>;
struct Backtrace {
    using Type = int (*Unwinder::*)(void**, int);
    friend Type member(Backtrace);
};
template struct Open<Backtrace, &Unwinder::backtrace_>;
struct Taking {
    using Type = std::atomic<unsigned> Unwinder::*;
    friend Type member(Taking);
};
template struct Open<Taking, &Unwinder::taking_>;

}  // namespace tslab::test

namespace {

std::atomic<bool> stopped;
std::atomic<bool> go_on;
Step stop_at;

void wait_for(const std::atomic<bool>& flag) {
    while (!flag) std::this_thread::yield();
}

void stop_here(Step at) {
    if (at != stop_at || stopped.exchange(true)) return;
    wait_for(go_on);
}

constexpr std::size_t kBytes = 200;

std::vector<void*> live_elsewhere;

// In the child: everything that was live is live, can be freed, and is handed out again once.
int child_finds_all_well() {
    std::size_t live_before = live_slots();
    for (std::size_t i = 0; i < live_elsewhere.size(); i++) {
        const auto* const content = static_cast<unsigned char*>(live_elsewhere[i]);
        if (content[0] != 0x5a || content[kBytes - 1] != 0x5a) return 2;
        put(live_elsewhere[i]);
    }
    if (live_slots() != live_before - live_elsewhere.size()) return 3;
    const unsigned c = class_of(kBytes);
    const std::uint32_t opened = region.opened(c);
    // As much again as all slabs of the class hold: those of the lost thread are used before new ones are
    // opened.
    const std::size_t room = std::size_t{opened} * class_slots(c);
    std::vector<void*> slots;
    for (std::size_t i = 0; i < room - live_before; i++) {
        void* const slot = get(kBytes);
        if (slot == nullptr) return 4;
        std::memcpy(slot, &i, sizeof i);
        slots.push_back(slot);
    }
    for (std::size_t i = 0; i < slots.size(); i++) {
        if (std::memcmp(slots[i], &i, sizeof i) != 0) return 5;
    }
    if (region.opened(c) > opened + 2 * region.slabs_per_block(c)) return 6;
    bool well = false;
    elsewhere([&] {  // the child's own threads work too
        auto theirs = get_many(2000, kBytes);
        put_all(theirs);
        well = own_heap().is_valid();
    });
    if (!well || !own_heap().is_valid()) return 7;
    const pid_t grandchild = fork();
    if (grandchild == 0) {
        for (void* slot : slots) put(slot);
        auto more = get_many(room, kBytes);
        put_all(more);
        trim();
        _exit(own_heap().is_valid() && resident_by_kernel() <= resident_by_figure() ? 0 : 8);
    }
    int status = 0;
    waitpid(grandchild, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 8;
    for (void* slot : slots) put(slot);
    trim();
    return own_heap().is_valid() && resident_by_kernel() <= resident_by_figure() ? 0 : 9;
}

void expect_well(pid_t child) {
    REQUIRE(child > 0);
    CHECK(ends_well(child));
}

// Once that child has ended.
[[noreturn]] void exit_like(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

// Whether this thread's heap is whole and sweeps go on.
bool goes_on() {
    const auto sweeps = reclaim.sweeps();
    // One pass in so many is a sweep, at worst.
    for (unsigned i = 0; i < 32 * kMostPatience && reclaim.sweeps() == sweeps; i++)
        reclaim.tick(kLeastPassBytes, 0);
    return own_heap().is_valid() && reclaim.sweeps() != sweeps;
}

// So many objects at once, none of which shares its memory with another.
bool hold_apart(std::size_t count, std::size_t bytes) {
    auto slots = get_many(count, bytes);
    for (std::size_t i = 0; i < count; i++) std::memcpy(slots[i], &i, sizeof i);
    bool apart = true;
    for (std::size_t i = 0; i < count; i++) apart = apart && std::memcmp(slots[i], &i, sizeof i) == 0;
    put_all(slots);
    return apart;
}

void fork_while_stopped() {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        step_hook = nullptr;
        _exit(child_finds_all_well());
    }
    INFO("step " << static_cast<int>(stop_at));
    expect_well(child);
}

// Everything that passes the steps.
void pass_steps(void (*hook)(Step)) {
    live_elsewhere = get_many(3000, kBytes);
    std::vector<void*> mine = get_many(3000, kBytes);
    step_hook = hook;
    std::vector<void*> extra = get_many(2000, kBytes);  // take, open, acquire
    put_all(mine);                                      // release
    trim();                                             // purge
    std::vector<void*> again = get_many(500, kBytes);
    elsewhere([&] { put_all(again); });  // free_remote, abandon (of that thread)
    collect(1000);                       // collect
    put_all(extra);
}

}  // namespace

TEST_CASE("fork with another thread stopped at each step", "[fork]") {
    start_core();
    for (int step = 0; step <= static_cast<int>(Step::abandon_emptied); step++) {
        own_heap();
        stop_at = static_cast<Step>(step);
        stopped = false;
        go_on = false;
        std::thread other(pass_steps, stop_here);
        while (!stopped) std::this_thread::yield();
        fork_while_stopped();
        go_on = true;
        other.join();
        step_hook = nullptr;
        put_all(live_elsewhere);
        collect(1000);
        elsewhere([] { collect(1000000); });
        CHECK(own_heap().is_valid());
    }
}

TEST_CASE("a fork in a signal handler leaves the child in the middle of its thread's own step", "[fork]") {
    start_core();
    static pid_t child;
    for (int step = 0; step <= static_cast<int>(Step::abandon_emptied); step++) {
        stop_at = static_cast<Step>(step);
        stopped = false;
        pass_steps([](Step at) {
            if (at == stop_at && !stopped.exchange(true)) child = fork();
        });
        step_hook = nullptr;
        put_all(live_elsewhere);
        bool well = true;
        for (std::size_t i = 0; i < 200; i++) well = hold_apart(3000, 64 + i) && well;
        well = goes_on() && well;
        if (!stopped) continue;
        if (child == 0) _exit(well ? 0 : 1);
        INFO("step " << step);
        CHECK(well);
        expect_well(child);
    }
}

TEST_CASE("a slab that is being let go when a signal handler forks is had once in the child", "[fork]") {
    start_core();
    static pid_t child;
    stopped = false;
    auto slots = get_many(3000, kBytes);
    step_hook = [](Step at) {
        if (at == Step::release_unowned && !stopped.exchange(true)) child = fork();
    };
    put_all(slots);
    step_hook = nullptr;
    REQUIRE(stopped);
    const bool apart = hold_apart(20000, kBytes);
    if (child == 0) _exit(apart ? 0 : 1);
    CHECK(apart);
    expect_well(child);
}

TEST_CASE("a fork in a signal handler while a thread gets its heap, or leaves it, leaves no void heap in use",
          "[fork]") {
    start_core();
    static pid_t child;
    static const auto finds_well = [] {
        auto slots = get_many(1000, kBytes);
        const bool well = !heaps.is_void(own_heap().number());
        elsewhere([&] { put_all(slots); });
        collect(1000);
        return well && live_slots() == 0;
    };
    // Runs when the thread has left its heap: after the library's own, which was made first.
    static const auto end_child = [](void*) {
        if (child != 0) return;
        bool well = false;
        elsewhere([&] { well = finds_well(); });
        _exit(well ? 0 : 1);
    };
    pthread_key_t key;
    REQUIRE(pthread_key_create(&key, end_child) == 0);
    for (const Step at : {Step::heap_taken, Step::heap_left}) {
        for (int thread = 0; thread < 2; thread++) {  // of a new heap, perhaps, and of one that was left
            stop_at = at;
            stopped = false;
            child = -1;
            step_hook = [](Step here) {
                if (here == stop_at && !stopped.exchange(true)) child = fork();
            };
            std::thread([key] {
                pthread_setspecific(key, &child);
                put(get(kBytes));
                if (child == 0) _exit(finds_well() ? 0 : 1);
            }).join();
            step_hook = nullptr;
            expect_well(child);
        }
    }
    pthread_key_delete(key);
}

TEST_CASE("a walk that a signal handler's fork interrupts is still under way in the child", "[fork]") {
    start_core();
    static pid_t child;
    static bool refused;
    stopped = false;
    auto slots = get_many(20000, 256);
    step_hook = [](Step at) {
        if (at != Step::purge_claimed || stopped.exchange(true)) return;
        child = fork();
        if (child == 0) refused = !reclaim.tick(1, 0);
    };
    put_all(slots);
    for (unsigned i = 0; i < 32 * kMostPatience && !stopped; i++) reclaim.tick(kLeastPassBytes, 0);
    step_hook = nullptr;
    REQUIRE(stopped);
    const bool well = goes_on();
    if (child == 0) _exit(refused && well ? 0 : 1);
    CHECK(well);
    expect_well(child);
}

TEST_CASE("a child of a parent in the middle of a pass finds as much free as that finds", "[fork]") {
    start_core();
    auto slots = get_many(20000, 256);
    std::vector<void*> every_other;
    for (std::size_t i = 0; i < slots.size(); i += 2) every_other.push_back(slots[i]);
    put_all(every_other);  // and no page is empty
    const auto finish_pass = [] {
        constexpr std::size_t unknown = 1;
        reclaim.*member(FreeBytes{}) = unknown;
        while (reclaim.*member(FreeBytes{}) == unknown) reclaim.tick(kTickBytes, 0);
        return reclaim.*member(FreeBytes{});
    };
    const std::size_t found = finish_pass();
    CHECK(found > std::size_t{1} << 20);
    while (reclaim.*member(KeptBytes{}) < found / 2) reclaim.tick(kTickBytes, 0);
    const pid_t child = fork();
    if (child == 0) _exit(finish_pass() < found + found / 4 ? 0 : 1);
    expect_well(child);
    for (std::size_t i = 1; i < slots.size(); i += 2) put(slots[i]);
}

TEST_CASE("fork by a thread that has no heap", "[fork]") {
    start_core();
    elsewhere([] { live_elsewhere = get_many(3000, kBytes); });
    stop_at = Step::abandon_emptied;
    std::thread([] { fork_while_stopped(); }).join();
    put_all(live_elsewhere);
}

TEST_CASE("a child's threads do not list what its first thread is just letting go", "[fork]") {
    start_core();
    std::vector<void*> mine = get_many(400, 768);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        static std::vector<void*> theirs;
        stopped = false;
        step_hook = [](Step at) {
            if (at != Step::release_unowned || stopped.exchange(true)) return;
            elsewhere([] { theirs = get_many(4000, 768); });  // relists what it finds
        };
        put_all(mine);
        step_hook = nullptr;
        std::vector<void*> again = get_many(4000, 768);
        for (void* slot : again) std::memset(slot, 0xcc, 768);
        for (void* slot : theirs) {
            if (*static_cast<unsigned char*>(slot) != 0x5a) _exit(1);
        }
        _exit(stopped && own_heap().is_valid() ? 0 : 2);
    }
    expect_well(child);
    put_all(mine);
}

TEST_CASE("generations of children each find their parent's memory", "[fork]") {
    start_core();
    live_elsewhere.clear();
    std::vector<void*> mine = get_many(1000, kBytes);
    for (int depth = 0; depth < 5; depth++) {
        const pid_t child = fork();
        REQUIRE(child >= 0);
        if (child != 0) {
            if (depth > 0) exit_like(child);
            expect_well(child);
            put_all(mine);
            return;
        }
        elsewhere([&] {
            for (std::size_t i = 0; i < 100; i++) put(mine[mine.size() - 1 - i]);
        });
        mine.resize(mine.size() - 100);
        auto more = get_many(2000, kBytes);
        elsewhere([&] { put_all(more); });
        if (!own_heap().is_valid()) _exit(1);
    }
    _exit(live_slots() == 500 ? 0 : 2);
}

TEST_CASE("in a child the domains of threads that it does not have are none, and its own go on", "[fork]") {
    start_core();
    DomainHandle mine = 0;
    REQUIRE(domains.create(own_heap(), mine) == Refusal::none);
    REQUIRE(domains.enter(own_heap(), mine) == Refusal::none);
    void* const slot = get(300);
    std::barrier both(2);
    DomainHandle theirs = 0;
    std::thread other([&] {
        domains.create(own_heap(), theirs);
        domains.enter(own_heap(), theirs);
        put(get(300));
        both.arrive_and_wait();
        both.arrive_and_wait();
    });
    both.arrive_and_wait();
    const std::uint64_t their_epoch = domains.epoch(theirs);
    const pid_t child = fork();
    if (child == 0) {
        if (domains.enter(own_heap(), theirs) != Refusal::no_domain || domains.epoch(theirs) != 0) _exit(1);
        if (domains.has_open(their_epoch) || epochs.record(their_epoch)->closed_ms.get() == 0) _exit(2);
        put(slot);
        if (domains.exit(own_heap(), mine) != Refusal::none) _exit(3);
        if (domains.destroy(own_heap(), mine) != Refusal::none) _exit(4);
        DomainHandle another = 0;
        if (domains.create(own_heap(), another) != Refusal::none || another == theirs) _exit(5);
        if (domains.enter(own_heap(), another) != Refusal::none) _exit(6);
        auto slots = get_many(1000, 300);
        put_all(slots);
        _exit(own_heap().is_valid() ? 0 : 7);
    }
    expect_well(child);
    CHECK(domains.has_open(their_epoch));
    both.arrive_and_wait();
    other.join();
    put(slot);
    REQUIRE(domains.exit(own_heap(), mine) == Refusal::none);
    REQUIRE(domains.destroy(own_heap(), mine) == Refusal::none);
}

namespace {

// In libunwind's place.
struct Backtraces {
    explicit Backtraces(int (*way)(void** frames, int most)) {
        stopped = false;
        go_on = false;
        unwinder.*member(Backtrace{}) = way;
    }
    ~Backtraces() { unwinder.*member(Backtrace{}) = nullptr; }
};

int one_frame(void** frames, int) {
    frames[0] = frames;
    return 1;
}

bool takes_stacks() {
    unwinder.*member(Backtrace{}) = one_frame;
    std::uintptr_t frame;
    return unwinder.take(&frame, 1) == 1;
}

// Of the first, until it may go on, with libunwind's lock.
int locked(void** frames, int most) {
    if (!stopped.exchange(true)) wait_for(go_on);
    return one_frame(frames, most);
}

pid_t forked;

int forks(void** frames, int most) {
    if (!stopped.exchange(true)) forked = fork();
    return one_frame(frames, most);
}

std::thread one_who_takes_a_stack() {
    std::thread other([] {
        std::uintptr_t frame;
        unwinder.take(&frame, 1);
    });
    wait_for(stopped);
    return other;
}

}  // namespace

TEST_CASE("a stack that was being taken at a fork leaves all descendants without", "[fork]") {
    start_core();
    Backtraces backtraces(locked);
    std::thread other = one_who_takes_a_stack();
    const pid_t child = fork();
    if (child == 0) {
        if (takes_stacks()) _exit(1);
        const pid_t grandchild = fork();
        if (grandchild == 0) _exit(takes_stacks() ? 1 : 0);
        exit_like(grandchild);
    }
    expect_well(child);
    go_on = true;
    other.join();
    CHECK(takes_stacks());
}

TEST_CASE("a fork in a signal handler that interrupts the taking of a stack is like any other", "[fork]") {
    start_core();
    Backtraces backtraces(forks);
    std::uintptr_t frame;
    const unsigned depth = unwinder.take(&frame, 1);
    const bool well = depth == 1 && (unwinder.*member(Taking{})) == 0 && takes_stacks();
    if (forked == 0) {
        const pid_t grandchild = fork();
        if (grandchild == 0) _exit(well && takes_stacks() ? 0 : 1);
        if (!well) _exit(1);
        exit_like(grandchild);
    }
    CHECK(well);
    expect_well(forked);
}

TEST_CASE("a fork amid the taking of two stacks leaves the child without", "[fork]") {
    start_core();
    Backtraces backtraces(locked);
    std::thread other = one_who_takes_a_stack();
    unwinder.*member(Backtrace{}) = forks;
    stopped = false;
    std::uintptr_t frame;
    const unsigned depth = unwinder.take(&frame, 1);
    if (forked == 0) _exit(depth == 1 && !takes_stacks() ? 0 : 1);
    expect_well(forked);
    go_on = true;
    other.join();
    CHECK(takes_stacks());
}
