// Random operations against a model: every object keeps its contents, is aligned and apart from all others,
// and the invariants hold throughout. The seed is printed; SEED=n repeats a run.
#include <algorithm>
#include <map>
#include <mutex>
#include <random>

#include "residency.h"

using namespace tslab;
using namespace tslab::test;

namespace {

struct Object {
    unsigned char* at;
    std::size_t bytes;
    unsigned char content;

    // Mostly our range, sometimes the opt-in classes; sizes that repeat, so that classes fill.
    static Object make(std::mt19937_64& random) {
        return make(random, random() % 8 == 0 ? 1 + random() % 63 : 64 + random() % 705);
    }
    static Object make(std::mt19937_64& random, std::size_t bytes) {
        const auto content = static_cast<unsigned char>(random());
        auto* const at = static_cast<unsigned char*>(get(bytes));
        REQUIRE(at != nullptr);
        const std::size_t c = class_of(bytes);
        const std::size_t of = region.locate(at).size_class;
        REQUIRE((of == c || slots_to_borrow(of, c) != 0));
        REQUIRE(reinterpret_cast<std::uintptr_t>(at) % (class_size(c) & (0 - class_size(c))) == 0);
        REQUIRE(usable_bytes(at) == class_size(std::max(of, c)));
        std::memset(at, content, bytes);
        return {at, bytes, content};
    }

    bool is_intact() const {
        for (std::size_t i = 0; i < bytes; i++) {
            if (at[i] != content) return false;
        }
        return true;
    }

    void drop() const {
        REQUIRE(is_intact());
        std::memset(at, 0xdd, bytes);
        put(at);
    }
};

void check_residency() {
    REQUIRE(resident_by_kernel() <= resident_by_figure());
    REQUIRE(resident_by_figure() >= occupied_bytes());
}

// One thread: grows, shrinks and churns in phases. Where sizes shift, each phase has some of its own.
void run_alone(std::uint64_t operations, bool sizes_shift = false) {
    std::mt19937_64 random(seed());
    std::map<unsigned char*, Object> model;
    std::vector<Object> objects;
    std::size_t target = 1000;
    std::size_t least = 64;
    for (std::uint64_t i = 0; i < operations; i++) {
        if (i % 4096 == 0) {
            target = random() % 20000;
            least = 64 + random() % 605;
            pretend(static_cast<Gain>(random() % 3));
        }
        const bool grows = objects.size() < target ? random() % 4 != 0 : random() % 4 == 0;
        if (grows || objects.empty()) {
            const Object made =
                sizes_shift ? Object::make(random, least + random() % 100) : Object::make(random);
            const auto above = model.lower_bound(made.at);
            REQUIRE((above == model.end() || made.at + made.bytes <= above->first));
            REQUIRE((above == model.begin() ||
                     std::prev(above)->first + std::prev(above)->second.bytes <= made.at));
            model.emplace(made.at, made);
            objects.push_back(made);
        } else {
            const std::size_t victim = random() % objects.size();
            model.erase(objects[victim].at);
            objects[victim].drop();
            objects[victim] = objects.back();
            objects.pop_back();
        }
        if (i % 500 == 0) REQUIRE(own_heap().is_valid());
        if (i % 5000 == 0) {
            REQUIRE(live_slots() == objects.size());
            check_slabs();
            check_residency();
        }
        if (random() % 50000 == 0) trim();
    }
    for (const Object& object : objects) object.drop();
    REQUIRE(live_slots() == 0);
    trim();
    REQUIRE(resident_by_figure() == occupied_bytes());
    check_slabs();
}

// Several threads that hand their objects to each other, end and begin anew, and trim.
void run_together(unsigned thread_count, std::uint64_t operations) {
    struct Mailbox {
        std::mutex lock;
        std::vector<Object> objects;
    };
    std::vector<Mailbox> mailboxes(thread_count);
    std::atomic<bool> failed{};
    const auto work = [&](unsigned self, unsigned life) {
        std::mt19937_64 random(seed() + self * 7919 + life);
        std::vector<Object> objects;
        for (std::uint64_t i = 0; i < operations; i++) {
            const auto draw = random() % 16;
            if (draw < 6 || objects.empty()) {
                objects.push_back(Object::make(random));
            } else if (draw < 10) {
                const std::size_t victim = random() % objects.size();
                objects[victim].drop();
                objects[victim] = objects.back();
                objects.pop_back();
            } else if (draw < 13) {
                Mailbox& to = mailboxes[random() % thread_count];
                const std::lock_guard guard(to.lock);
                to.objects.push_back(objects.back());
                objects.pop_back();
            } else {
                std::vector<Object> received;
                {
                    const std::lock_guard guard(mailboxes[self].lock);
                    received.swap(mailboxes[self].objects);
                }
                for (const Object& object : received) object.drop();
            }
            if (objects.size() > 5000) {
                for (const Object& object : objects) object.drop();
                objects.clear();
            }
            if (i % 1000 == 0 && !own_heap().is_valid()) failed = true;
            if (random() % 20000 == 0) trim();
        }
        const std::lock_guard guard(mailboxes[(self + 1) % thread_count].lock);
        for (const Object& object : objects) mailboxes[(self + 1) % thread_count].objects.push_back(object);
    };
    for (unsigned life = 0; life < 3; life++) {
        std::vector<std::thread> threads;
        for (unsigned self = 0; self < thread_count; self++) threads.emplace_back(work, self, life);
        for (std::thread& thread : threads) thread.join();
        REQUIRE_FALSE(failed);
        std::size_t held_in_mail = 0;
        for (const Mailbox& mailbox : mailboxes) held_in_mail += mailbox.objects.size();
        REQUIRE(live_slots() == held_in_mail);
        check_slabs();
        check_residency();
    }
    for (Mailbox& mailbox : mailboxes) {
        for (const Object& object : mailbox.objects) object.drop();
    }
    REQUIRE(live_slots() == 0);
    trim();
    REQUIRE(resident_by_figure() == occupied_bytes());
    REQUIRE(figure(Figure::double_frees) == 0);
    REQUIRE(figure(Figure::invalid_frees) == 0);
}

}  // namespace

TEST_CASE("random operations of one thread", "[property]") {
    start_core();
    run_alone(200000);
}

TEST_CASE("random operations of one thread whose sizes shift", "[property]") {
    start_core();
    options.budget = {0};
    const auto joined = figure(Figure::joined);
    const auto lent = figure(Figure::lent);
    run_alone(200000, true);
    CHECK(figure(Figure::joined) > joined);
    CHECK(figure(Figure::lent) > lent);
}

TEST_CASE("random operations of threads that free each other's objects", "[property]") {
    start_core();
    run_together(4, 30000);
}

TEST_CASE("many random operations of one thread", "[.][long]") {
    start_core();
    run_alone(2000000);
}

TEST_CASE("many random operations of threads", "[.][long]") {
    start_core();
    run_together(8, 200000);
}
