#include <algorithm>
#include <memory>
#include <set>

#include "core/os.h"
#include "faults.h"
#include "support.h"

namespace tslab::test {

// As with Open, of a type that cannot be named either.
struct KnownEnds {
    friend auto member(KnownEnds);
};
template <auto M>
struct OpenKnownEnds {
    friend auto member(KnownEnds) { return M; }
};
template struct OpenKnownEnds<&Region::cuts_>;

}  // namespace tslab::test

using namespace tslab;
using namespace tslab::test;

namespace {

struct Started {
    std::unique_ptr<Region> region = std::make_unique<Region>();
    explicit Started(std::size_t bytes = std::size_t{64} << 20, std::size_t limit = SIZE_MAX) {
        works = region->start(bytes, limit, os::page_bytes());
    }
    bool works;
};

// As whoever empties it.
void let_go(Region& region, Slab& first) {
    first.generation.set(region.generation());
    first.park(region.generation());
    region.release(first);
}

}  // namespace

TEST_CASE("a pointer is taken apart as it was put together", "[region]") {
    Started started;
    REQUIRE(started.works);
    Region& own = *started.region;
    for (unsigned c = 0; c < kClasses; c++) {
        for (int block = 0; block < 3; block++) {
            Slab* const first = own.acquire(c);
            REQUIRE(first != nullptr);
            for (unsigned i = 0; i < own.slabs_per_block(c); i++) {
                Slab& slab = first[i];
                CHECK(&own.first_of_block(slab) == first);
                CHECK(&own.slab(own.number(slab)) == &slab);
                std::byte* const slots = own.slots_of(slab);
                CHECK(reinterpret_cast<std::uintptr_t>(slots) % class_span(c) == 0);
                for (unsigned slot = 0; slot < class_slots(c); slot++) {
                    const Place place = own.locate(slots + slot * class_size(c));
                    CHECK(
                        (place.slab == &slab && place.slot == slot && place.size_class == c && place.exact));
                    for (std::size_t inside : {std::size_t{1}, std::size_t{8}, class_size(c) - 1}) {
                        CHECK_FALSE(own.locate(slots + slot * class_size(c) + inside).exact);
                    }
                }
            }
        }
    }
}

TEST_CASE("no block is opened while a purger has the released ones on top", "[region]") {
    Started started;
    REQUIRE(started.works);
    Region& own = *started.region;
    constexpr unsigned c = class_of(512);
    std::vector<Slab*> blocks;
    while (blocks.size() < kAcquireTries) blocks.push_back(own.acquire(c));
    for (Slab* first : blocks) {
        let_go(own, *first);
    }
    const std::uint32_t opened = own.opened(c);
    for (std::size_t i = 1; i < blocks.size(); i++) REQUIRE(blocks[i]->become_claimed(own.generation()));
    CHECK(own.acquire(c) == blocks[0]);
    for (std::size_t i = 1; i < blocks.size(); i++) blocks[i]->park(own.generation());
    for (std::size_t i = blocks.size(); i-- > 1;) CHECK(own.acquire(c) == blocks[i]);
    CHECK(own.opened(c) == opened);
}

TEST_CASE("ownership ends where the region does", "[region]") {
    Started started;
    REQUIRE(started.works);
    Region& own = *started.region;
    std::byte* const base = own.base();
    CHECK(own.owns(base));
    CHECK(own.owns(base + own.size() - 1));
    CHECK_FALSE(own.owns(base - 1));
    CHECK_FALSE(own.owns(base + own.size()));
    CHECK_FALSE(own.owns(nullptr));
    CHECK_FALSE(own.owns(&started));
}

TEST_CASE("no pointer is exact in a slab that was never opened", "[region]") {
    Started started;  // too small for skews
    REQUIRE(started.works);
    Region& own = *started.region;
    std::byte* const base = own.base();
    const auto exact_places = [&] {
        std::size_t exact = 0;
        for (std::size_t offset = 0; offset < own.size(); offset += 16) {
            const Place place = own.locate(base + offset);
            exact += place.exact;
            if (own.has_slot(place) != place.exact) return SIZE_MAX;
        }
        return exact;
    };
    CHECK(exact_places() == 0);
    REQUIRE(own.acquire(7) != nullptr);
    CHECK(exact_places() == std::size_t{own.slabs_per_block(7)} * class_slots(7));
}

TEST_CASE("what the skew of a class leaves out has no slots", "[region]") {
    constexpr std::size_t bytes = std::size_t{256} << 30;
    Started started(bytes);
    REQUIRE(started.works);
    Region& own = *started.region;
    for (unsigned c = 0; c < kClasses; c++) {
        Slab* const first = own.acquire(c);
        REQUIRE(first != nullptr);
        std::byte* const slots = own.slots_of(*first);
        CHECK(own.has_slot(own.locate(slots)));
        std::size_t left_out = 0;
        for (std::byte* at = own.base() + c * (bytes / kClasses); at < slots; at += class_span(c)) {
            const Place place = own.locate(at);
            REQUIRE((place.exact && !own.has_slot(place)));
            REQUIRE((place.slab->live.get() == 0 && place.slab->home.load() == 0));
            left_out++;
        }
        CHECK((c == 0) == (left_out == 0));
    }
}

TEST_CASE("a class that is full gives no more, and gives again what was released", "[region]") {
    Started started(std::size_t{2} << 20);
    REQUIRE(started.works);
    Region& own = *started.region;
    std::vector<Slab*> blocks;
    for (Slab* first = own.acquire(31); first != nullptr; first = own.acquire(31)) blocks.push_back(first);
    const std::size_t block_bytes = class_span(31) * own.slabs_per_block(31);
    CHECK(blocks.size() == (std::size_t{64} << 10) / block_bytes);
    CHECK(own.acquire(30) != nullptr);
    let_go(own, *blocks.back());
    CHECK(own.acquire(31) == blocks.back());
    CHECK(own.acquire(31) == nullptr);
}

TEST_CASE("no more is reserved than the limit allows", "[region]") {
    CHECK_FALSE(Started(std::size_t{64} << 20, std::size_t{64} << 20).works);
    CHECK(Started(std::size_t{64} << 20, std::size_t{80} << 20).works);
    CHECK_FALSE(Started(std::size_t{1} << 20).works);  // a class would have no whole block
}

TEST_CASE("a limit below the reservation gives up what nobody uses, and nothing else", "[region]") {
    Started started(std::size_t{256} << 30);
    REQUIRE(started.works);
    Region& own = *started.region;
    own.fit_into(SIZE_MAX);
    CHECK_FALSE(own.gave_up(own.base() + own.size() - 1));
    Slab* const kept = own.acquire(9);
    REQUIRE(kept != nullptr);
    std::byte* const slots = own.slots_of(*kept);
    std::memset(slots, 1, class_span(9));
    CHECK_FALSE(own.gave_up(own.base() + own.size() - 1));
    own.fit_into(std::size_t{64} << 20);
    CHECK(own.gave_up(own.base() + own.size() - 1));
    CHECK_FALSE(own.gave_up(slots));
    CHECK(own.gave_up(slots - 4096));  // what the skew of the class left out
    CHECK(own.locate(slots).slab == kept);
    CHECK(slots[class_span(9) - 1] == std::byte{1});
    CHECK(own.acquire(10) == nullptr);  // nothing grows any more
    CHECK(own.acquire(9) != nullptr);   // what was committed is still there
    CHECK_FALSE(own.reach_heaps(1));
}

TEST_CASE("in a forked child every slab that was opened is known, though the thread that did had not said so",
          "[region]") {
    Started started;
    REQUIRE(started.works);
    Region& own = *started.region;
    Slab* const first = own.acquire(7);
    REQUIRE(first != nullptr);
    std::byte* const slots = own.slots_of(*first);
    (own.*member(KnownEnds{})).end[7] = 0;
    REQUIRE_FALSE(own.has_slot(own.locate(slots)));
    own.begin_generation();
    CHECK(own.has_slot(own.locate(slots)));
    CHECK(own.next_unlisted(7) == first);
}

TEST_CASE("who forks in the middle of making memory usable can give up address space afterwards",
          "[region]") {
    Started started(std::size_t{256} << 30);
    REQUIRE(started.works);
    static Region* own;
    own = started.region.get();
    before_commit = [] {  // in a signal handler, for one
        before_commit = nullptr;
        own->begin_generation();
    };
    REQUIRE(own->acquire(9) != nullptr);
    REQUIRE(before_commit == nullptr);
    own->fit_into(std::size_t{64} << 20);
    CHECK(own->gave_up(own->base() + own->size() - 1));
}

TEST_CASE("pages and slots name each other", "[region]") {
    Started started;
    REQUIRE(started.works);
    Region& own = *started.region;
    for (unsigned c = 0; c < kClasses; c++) {
        const unsigned all = static_cast<unsigned>(low_bits(own.pages_per_block(c)));
        CHECK(own.slots_on(c, all) == class_mask(c));
        CHECK(own.pages_under(c, class_mask(c)) == all);
        CHECK(own.slabs_per_block(c) * class_span(c) == own.pages_per_block(c) * own.page_bytes());
        unsigned fewest = class_slots(c);
        for (unsigned page = 0; page < own.pages_per_block(c); page++) {
            fewest = std::min(fewest, popcount(own.slots_on(c, 1u << page)));
        }
        CHECK(own.may_fill_page(c, fewest));
        CHECK_FALSE(own.may_fill_page(c, fewest - 1));
        for (unsigned slot = 0; slot < class_slots(c); slot++) {
            CHECK((own.slots_on(c, own.pages_under(c, bit(slot))) & bit(slot)) != 0);
        }
    }
}

TEST_CASE("numbers pushed by many threads are popped once each", "[region]") {
    static Shared<std::uint32_t> links[10001];
    NumberStack stack;
    const auto link = [](std::uint32_t number) -> Shared<std::uint32_t>& { return links[number]; };
    std::atomic<int> taken[10001]{};
    std::vector<std::thread> threads;
    for (std::uint32_t thread = 0; thread < 4; thread++) {
        threads.emplace_back([&, thread] {
            for (std::uint32_t i = 1; i <= 2500; i++) {
                stack.push(thread * 2500 + i, link);
                if (i % 3 != 0) continue;
                const std::uint32_t number = stack.pop(link);
                if (number != 0) stack.push(number, link);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::uint32_t number = stack.pop(link); number != 0; number = stack.pop(link)) taken[number]++;
    for (std::uint32_t number = 1; number <= 10000; number++) CHECK(taken[number] == 1);
}
