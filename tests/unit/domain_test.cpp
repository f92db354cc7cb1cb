#define TSLAB_LINKED
#include "core/domain.h"

#include "core/include/temporal_slab.h"
#include "faults.h"
#include "residency.h"

namespace tslab::test {

struct OfDomains {
    using Type = EpochRow Epochs::*;
    friend Type member(OfDomains);
};
template struct Open<OfDomains, &Epochs::of_domains_>;
struct OfProcess {
    using Type = EpochRow Epochs::*;
    friend Type member(OfProcess);
};
template struct Open<OfProcess, &Epochs::of_process_>;

}  // namespace tslab::test

using namespace tslab;
using namespace tslab::test;

namespace {

DomainHandle create() {
    DomainHandle handle = 0;
    REQUIRE(domains.create(own_heap(), handle) == Refusal::none);
    REQUIRE(handle != 0);
    return handle;
}
Refusal enter(DomainHandle handle) { return domains.enter(own_heap(), handle); }
Refusal leave(DomainHandle handle) { return domains.exit(own_heap(), handle); }
Refusal destroy(DomainHandle handle) { return domains.destroy(own_heap(), handle); }

void expect_apart(const std::vector<void*>& some, const std::vector<void*>& others) {
    std::set<Slab*> slabs;
    for (const void* slot : some) slabs.insert(&region.first_of_block(slab_of(slot)));
    for (const void* slot : others) REQUIRE(slabs.count(&region.first_of_block(slab_of(slot))) == 0);
}

}  // namespace

// First, before other tests use numbers up, and in a child, so that it uses up none of theirs.
TEST_CASE("a domain's number counts its epochs over all the domains that have it", "[domain]") {
    start_core();
    in_child([] {
        const auto number_of = [](DomainHandle handle) { return handle & kMostDomains; };
        const DomainHandle first = create();
        const std::uint64_t epoch = domains.epoch(first);
        if (destroy(first) != Refusal::none) return 1;
        (epochs.*member(OfDomains{})).drawn = nth_of(epoch) + kEpochsPerNumber - 1;
        const DomainHandle again = create();
        if (number_of(again) != number_of(first) || destroy(again) != Refusal::none) return 2;
        return number_of(create()) != number_of(first) ? 0 : 3;
    });
}

TEST_CASE("objects of a domain share no slab with any others, entered again or nested", "[domain]") {
    start_core();
    const DomainHandle a = create();
    const DomainHandle b = create();
    std::vector<void*> outside;
    std::vector<void*> in_a;
    std::vector<void*> in_b;
    const auto some = [](std::vector<void*>& to) {
        for (std::size_t bytes = 64; bytes <= 768; bytes += 100) {
            for (void* slot : get_many(37, bytes)) to.push_back(slot);
        }
        // Freed slots are taken again where they were.
        for (int i = 0; i < 100; i++) {
            put(to.back());
            to.back() = get(100);
        }
    };
    for (int round = 0; round < 5; round++) {
        some(outside);
        REQUIRE(enter(a) == Refusal::none);
        some(in_a);
        REQUIRE(enter(b) == Refusal::none);
        some(in_b);
        CHECK(own_heap().is_valid());
        CHECK(enter(b) == Refusal::none);
        CHECK(leave(b) == Refusal::none);
        some(in_b);
        REQUIRE(leave(b) == Refusal::none);
        some(in_a);
        REQUIRE(leave(a) == Refusal::none);
        // Frees from the other side of the fence.
        put(in_a.back());
        in_a.pop_back();
    }
    expect_apart(outside, in_a);
    expect_apart(outside, in_b);
    expect_apart(in_a, in_b);
    CHECK(own_heap().is_valid());
    CHECK(epochs.use(domains.epoch(a)).live_objects == in_a.size());
    put_all(in_a);
    put_all(outside);
    REQUIRE(destroy(a) == Refusal::none);
    REQUIRE(destroy(b) == Refusal::none);
    put_all(in_b);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("closing a domain gives its pages back and leaves what outlives it", "[domain]") {
    start_core();
    const DomainHandle domain = create();
    REQUIRE(enter(domain) == Refusal::none);
    auto slots = get_many(20000, 400);
    void* const survivor = slots[10000];
    slots[10000] = slots.back();
    slots.pop_back();
    for (void* slot : slots) put(slot);
    std::size_t given_back = 0;
    CHECK(domains.close(own_heap(), domain, given_back) == Refusal::entered);
    REQUIRE(leave(domain) == Refusal::none);
    const auto ended = domains.epoch(domain);
    const std::size_t before = epochs.use(ended).resident_bytes;
    REQUIRE(domains.close(own_heap(), domain, given_back) == Refusal::none);
    const EpochUse after = epochs.use(ended);
    CHECK(given_back == before - after.resident_bytes);
    CHECK(after.live_objects == 1);
    CHECK(after.resident_bytes <= 2 * region.page_bytes());
    CHECK(static_cast<unsigned char*>(survivor)[399] == 0x5a);
    CHECK(domains.epoch(domain) > ended);
    REQUIRE(enter(domain) == Refusal::none);
    void* const anew = get(400);
    CHECK(&slab_of(anew) != &slab_of(survivor));
    REQUIRE(leave(domain) == Refusal::none);
    REQUIRE(destroy(domain) == Refusal::none);
    put(anew);
    elsewhere([survivor] { put(survivor); });
    collect(100);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("a domain used in the wrong order is refused, and nothing happens", "[domain]") {
    start_core();
    const DomainHandle a = create();
    const DomainHandle b = create();
    CHECK(leave(a) == Refusal::not_innermost);
    REQUIRE(enter(a) == Refusal::none);
    REQUIRE(enter(b) == Refusal::none);
    CHECK(leave(a) == Refusal::not_innermost);
    CHECK(enter(a) == Refusal::entered);
    CHECK(destroy(a) == Refusal::entered);
    CHECK(destroy(b) == Refusal::entered);
    elsewhere([a] {
        CHECK(enter(a) == Refusal::other_thread);
        CHECK(leave(a) == Refusal::other_thread);
        CHECK(destroy(a) == Refusal::other_thread);
    });
    REQUIRE(leave(b) == Refusal::none);
    REQUIRE(leave(a) == Refusal::none);
    REQUIRE(destroy(a) == Refusal::none);
    CHECK(destroy(a) == Refusal::no_domain);
    CHECK(enter(a) == Refusal::no_domain);
    CHECK(domains.epoch(a) == 0);
    CHECK(enter(0) == Refusal::no_domain);
    CHECK(enter(~DomainHandle{0}) == Refusal::no_domain);
    const DomainHandle again = create();  // has its number, not its name
    CHECK(again != a);
    CHECK(enter(a) == Refusal::no_domain);
    REQUIRE(destroy(again) == Refusal::none);
    REQUIRE(destroy(b) == Refusal::none);
}

TEST_CASE("there are so many domains and no more", "[domain]") {
    start_core();
    std::vector<DomainHandle> all;
    DomainHandle handle = 0;
    while (all.size() <= kMostDomains && domains.create(own_heap(), handle) == Refusal::none)
        all.push_back(handle);
    CHECK(all.size() == kMostDomains);
    for (DomainHandle each : all) REQUIRE(destroy(each) == Refusal::none);
    const DomainHandle one = create();
    REQUIRE(destroy(one) == Refusal::none);
}

TEST_CASE("a thread's domains end with it, and its objects live on", "[domain]") {
    start_core();
    DomainHandle domain = 0;
    std::vector<void*> slots;
    elsewhere([&] {
        domain = create();
        REQUIRE(enter(domain) == Refusal::none);
        slots = get_many(1000, 200);
    });
    CHECK(enter(domain) == Refusal::no_domain);
    const auto content = static_cast<unsigned char*>(slots[500])[199];
    CHECK(content == 0x5a);
    put_all(slots);
    elsewhere([] {  // the next thread has the heap and all that is in it
        collect(1000);
        CHECK(own_heap().is_valid());
        auto again = get_many(1000, 200);
        put_all(again);
        CHECK(own_heap().is_valid());
    });
    CHECK(live_slots() == 0);
}

TEST_CASE("many short domains, some of whose objects stay, use no more memory than those need", "[domain]") {
    start_core();
    std::vector<void*> kept;
    std::size_t settled = 0;
    for (int i = 0; i < 3000; i++) {
        const DomainHandle domain = create();
        REQUIRE(enter(domain) == Refusal::none);
        auto slots = get_many(100, 300);
        kept.push_back(slots.back());
        slots.pop_back();
        put_all(slots);
        REQUIRE(leave(domain) == Refusal::none);
        REQUIRE(destroy(domain) == Refusal::none);
        if (kept.size() > 50) {
            put(kept.front());
            kept.erase(kept.begin());
        }
        if (i == 300) settled = region.opened(class_of(300));
    }
    CHECK(region.opened(class_of(300)) <= settled * 2);
    put_all(kept);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("what a domain had free when it was destroyed, others of its thread may have", "[domain]") {
    start_core();
    options.budget = {0};
    const DomainHandle domain = create();
    REQUIRE(enter(domain) == Refusal::none);
    auto slots = get_many(4096, 240);
    REQUIRE(leave(domain) == Refusal::none);
    std::set<Slab*> of_domain;
    std::vector<void*> kept;
    for (std::size_t i = 0; i < slots.size(); i++) {
        of_domain.insert(&slab_of(slots[i]));
        if (i % 2 == 0) {
            put(slots[i]);
        } else {
            kept.push_back(slots[i]);
        }
    }
    REQUIRE(destroy(domain) == Refusal::none);
    pass_once();
    REQUIRE(reclaim.is_over_budget(class_of(240)));
    auto later = get_many(1024, 240);
    const auto is_there = [&](void* slot) { return of_domain.count(&slab_of(slot)) != 0; };
    CHECK(std::count_if(later.begin(), later.end(), is_there) > 900);
    CHECK(own_heap().is_valid());
    put_all(later);
    put_all(kept);
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("a domain's number is not used for two epochs that slabs could not tell apart", "[domain]") {
    start_core();
    const DomainHandle first = create();
    std::set<DomainHandle> numbers;
    const auto number_of = [](DomainHandle handle) { return handle & kMostDomains; };
    const std::uint64_t epoch = domains.epoch(first);
    REQUIRE(enter(first) == Refusal::none);
    auto slots = get_many(3 * class_slots(kClasses - 1), 768);
    REQUIRE(leave(first) == Refusal::none);
    (epochs.*member(OfDomains{})).drawn = nth_of(epoch) + kEpochsPerNumber - 1;
    std::size_t given_back = 0;
    REQUIRE(domains.close(own_heap(), first, given_back) == Refusal::none);
    const std::uint64_t last = domains.epoch(first);
    CHECK(last == epoch + kEpochsPerNumber);
    // From here on it keeps its epoch, and its number goes with it.
    REQUIRE(domains.close(own_heap(), first, given_back) == Refusal::none);
    CHECK(domains.epoch(first) == last);
    REQUIRE(enter(first) == Refusal::none);
    put(get(768));
    REQUIRE(leave(first) == Refusal::none);
    REQUIRE(destroy(first) == Refusal::none);
    for (int i = 0; i < 10; i++) {
        const DomainHandle other = create();
        CHECK(number_of(other) != number_of(first));
        numbers.insert(other);
    }
    for (const DomainHandle other : numbers) REQUIRE(destroy(other) == Refusal::none);
    put_all(slots);
    CHECK(own_heap().is_valid());
}

TEST_CASE("the last 1,024 epochs of a kind are remembered, however many there are of the other", "[domain]") {
    start_core();
    const std::uint64_t of_process = epochs.advance();
    const DomainHandle domain = create();
    const std::uint64_t of_domain = domains.epoch(domain);
    REQUIRE(destroy(domain) == Refusal::none);
    for (unsigned i = 0; i < kEpochRecords - 1; i++) {
        epochs.advance();
        REQUIRE(destroy(create()) == Refusal::none);
        REQUIRE(epochs.record(of_process) != nullptr);
        REQUIRE(epochs.record(of_domain) != nullptr);
    }
    epochs.advance();
    CHECK(epochs.record(of_process) == nullptr);
    CHECK(epochs.record(of_domain) != nullptr);
    REQUIRE(destroy(create()) == Refusal::none);
    CHECK(epochs.record(of_domain) == nullptr);
}

TEST_CASE("no two epochs have one number, however many there were, and those of a kind grow", "[domain]") {
    start_core();
    (epochs.*member(OfProcess{})).drawn = kOfDomain - 3;
    (epochs.*member(OfDomains{})).drawn = 2 * kOfDomain - 3;
    std::set<std::uint32_t> in_homes;
    std::uint64_t of_process = epochs.current();
    std::uint64_t of_domain = 0;
    for (unsigned i = 0; i < 6; i++) {
        const std::uint64_t before = of_process;
        of_process = epochs.advance();
        CHECK(of_process > before);
        CHECK(epochs.current() == of_process);
        CHECK(epochs.record(of_process)->before.get() == before);
        const DomainHandle domain = create();
        CHECK(domains.epoch(domain) > of_domain);
        of_domain = domains.epoch(domain);
        CHECK(epochs.record(of_domain)->era.get() == of_process);
        CHECK(epochs.has_had(of_domain));
        CHECK_FALSE(epochs.has_had(of_domain + 1));
        in_homes.insert(static_cast<std::uint32_t>(of_process));
        in_homes.insert(static_cast<std::uint32_t>(of_domain));
        REQUIRE(destroy(domain) == Refusal::none);
    }
    CHECK(in_homes.size() == 12);
    CHECK(in_homes.count(0) == 0);
}

TEST_CASE("what is open is known to be, however many domains come and go", "[domain]") {
    start_core();
    const std::uint64_t current = epochs.current();
    const DomainHandle open = create();
    for (unsigned i = 0; i < 2 * kEpochRecords; i++) REQUIRE(destroy(create()) == Refusal::none);
    REQUIRE(epochs.record(current) != nullptr);
    CHECK(epochs.record(current)->closed_ms.get() == 0);
    const std::uint64_t epoch = domains.epoch(open);
    CHECK(domains.has_open(epoch));
    REQUIRE(destroy(open) == Refusal::none);
    CHECK_FALSE(domains.has_open(epoch));
}

TEST_CASE("the C API tells how old an epoch is, how long it is closed, and what is on its pages",
          "[domain]") {
    start_core();
    const ClockStands stands;
    const Reclaiming was = options.reclaim;
    options.reclaim = Reclaiming::off;
    options.epoch_bytes = kTiB;
    const std::uint64_t epoch = tslab_epoch_advance();
    let_pass(300);
    tslab_epoch_info info;
    REQUIRE(tslab_epoch_stats(epoch, &info) == TSLAB_OK);
    CHECK((info.age_ms == 300 && info.closed_ms == 0 && info.slabs == 0));
    auto slots = get_many(20000, 400);
    std::set<Slab*> firsts;
    for (const void* slot : slots) firsts.insert(&region.first_of_block(slab_of(slot)));
    REQUIRE(tslab_epoch_advance() > epoch);
    let_pass(50);
    REQUIRE(tslab_epoch_stats(epoch, &info) == TSLAB_OK);
    CHECK((info.age_ms == 350 && info.closed_ms == 50));
    CHECK(info.slabs == firsts.size() * region.slabs_per_block(class_of(400)));
    const std::uint64_t resident = info.resident_bytes;
    CHECK(resident >= 20000 * 400);

    void* const survivor = slots[10000];
    slots.erase(slots.begin() + 10000);
    put_all(slots);
    own_heap().renew();
    REQUIRE(tslab_epoch_stats(epoch, &info) == TSLAB_OK);
    const unsigned kept = region.pages_under(class_of(400), region.locate(survivor).mask());
    CHECK(info.slabs == region.slabs_per_block(class_of(400)));
    CHECK(info.resident_bytes == resident);
    CHECK(info.reclaimable_bytes == resident - popcount(kept) * region.page_bytes());
    CHECK(tslab_epoch_close(epoch) == static_cast<std::int64_t>(info.reclaimable_bytes));
    REQUIRE(tslab_epoch_stats(epoch, &info) == TSLAB_OK);
    CHECK((info.reclaimable_bytes == 0 && info.closed_ms == 50));
    put(survivor);
    options.epoch_bytes = 0;
    options.reclaim = was;
}
