// The promise of reclaim, against the kernel's own view: a page that has memory holds a slot that is not
// free, or is of a slab that a thread takes from, or was so within the last two sweeps. The seed is printed;
// SEED=n repeats a run.
#include <algorithm>
#include <barrier>
#include <memory>
#include <random>

#include "residency.h"

using namespace tslab;
using namespace tslab::test;

namespace {

// When each page last held something, counted in sweeps that were complete by then. A page that is empty when
// m sweeps are complete is seen so by the next whole two, and gone when the one under way and these are.
class PageHistory {
  public:
    static constexpr std::uint64_t longest = 2;

    PageHistory() {
        for (std::size_t i = 0; i < kClasses * most_pages; i++) seen_[i].store(reclaim.sweeps());
    }

    // As all notes by any thread. An object of so many bytes is there, or was till now.
    void note(const void* object, std::size_t bytes) {
        const std::size_t c = region.locate(object).size_class;
        const std::size_t from = offset(c, object);
        const std::size_t last = from + bytes - 1;
        for (std::size_t page = from / region.page_bytes(); page <= last / region.page_bytes(); page++)
            note_page(c, page);
    }
    // A thread takes from the slab, or did till now.
    void note_taken_from(Slab& slab) {
        const Slab& first = region.first_of_block(slab);
        note_pages(first, first.resident.get());
    }

    // While no other thread is at work: notes the slots that heaps hold and the slabs they take from; how
    // many pages have memory and no reason to.
    std::size_t unexplained_pages() {
        std::size_t count = 0;
        for (unsigned c = 0; c < kClasses; c++) {
            if (region.opened(c) == 0) continue;
            for (std::uint32_t i = 0; i < region.opened(c); i += region.slabs_per_block(c)) note_block(c, i);
            const std::vector<bool> present = pages_with_memory(c);
            for (std::size_t page = 0; page < present.size(); page++) {
                const std::uint64_t since = reclaim.sweeps() - at(c, page).load();
                if (present[page] && since > longest) count++;
            }
        }
        return count;
    }

  private:
    static constexpr std::size_t most_pages = std::size_t{1} << 15;

    static std::size_t offset(std::size_t c, const void* at) {
        const auto* const start = region.slots_of(region.slab_at(c, 0));
        return static_cast<std::size_t>(static_cast<const std::byte*>(at) - start);
    }

    std::atomic<std::uint64_t>& at(std::size_t c, std::size_t page) {
        if (page >= most_pages) std::abort();
        return seen_[c * most_pages + page];
    }
    void note_page(std::size_t c, std::size_t page) {
        const std::uint64_t now = reclaim.sweeps();
        std::uint64_t seen = at(c, page);
        while (seen < now && !at(c, page).compare_exchange_weak(seen, now)) {
        }
    }

    void note_block(unsigned c, std::uint32_t index) {
        const Slab& first = region.slab_at(c, index);
        Word needed = 0;
        for (unsigned k = 0; k < region.slabs_per_block(c); k++)
            needed |= class_mask(c) & ~region.slab_at(c, index + k).unused();
        unsigned pages = region.pages_under(c, needed);
        if (hold_of(first.state.load()) == Hold::current) pages |= first.resident.get();
        note_pages(first, pages);
    }

    void note_pages(const Slab& first, unsigned pages) {
        const std::size_t c = first.size_class.get();
        const std::size_t start = offset(c, region.slots_of(first)) / region.page_bytes();
        for (; pages != 0; pages &= pages - 1) note_page(c, start + lowest(pages));
    }

    // By mincore(2), of the pages that core knows.
    static std::vector<bool> pages_with_memory(unsigned c) {
        const auto kernel_page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t pages = region.opened(c) * class_span(c) / region.page_bytes();
        std::vector<unsigned char> states(pages * region.page_bytes() / kernel_page);
        REQUIRE(mincore(region.slots_of(region.slab_at(c, 0)), pages * region.page_bytes(), states.data()) ==
                0);
        std::vector<bool> present(pages);
        for (std::size_t i = 0; i < states.size(); i++) {
            if ((states[i] & 1) != 0) present[i * kernel_page / region.page_bytes()] = true;
        }
        return present;
    }

    std::unique_ptr<std::atomic<std::uint64_t>[]> seen_ =
        std::make_unique<std::atomic<std::uint64_t>[]>(kClasses * most_pages);
};

// Grows, shrinks and churns its objects towards a number that changes.
class Worker {
  public:
    Worker(PageHistory& history, std::uint64_t worker_seed) : history_(history), random_(worker_seed) {}

    void operate(unsigned operations) {
        for (unsigned i = 0; i < operations; i++) {
            if (random_() % 8192 == 0) target_ = random_() % 20000;
            if (random_() % 8192 == 0) center_ = 64 + random_() % 600;
            const bool grows = objects_.size() < target_ ? random_() % 4 != 0 : random_() % 4 == 0;
            if (grows || objects_.empty()) {
                take(center_ + random_() % 100);
            } else {
                void*& victim = objects_[random_() % objects_.size()];
                std::swap(victim, objects_.back());
                release_last();
            }
        }
    }

    // Another worker's objects: from here on this one frees them.
    void swap_objects(Worker& other) { objects_.swap(other.objects_); }

    void release_all() {
        while (!objects_.empty()) release_last();
    }

  private:
    // All is noted behind the call, in which a sweep may end while this thread waits for its turn.
    void take(std::size_t bytes) {
        const Bin& bin = own_heap().bin(class_of(bytes));
        const bool refills = bin.held() == 0;
        Slab* const current = bin.current;
        void* const object = get(bytes);
        if (object == nullptr) std::abort();
        std::memset(object, 0x5a, 64);
        history_.note(object, bytes);
        if (refills) history_.note_taken_from(slab_of(object));
        if (refills && current != nullptr) history_.note_taken_from(*current);
        objects_.push_back(object);
    }

    void release_last() {
        void* const object = objects_.back();
        objects_.pop_back();
        const Bin& bin = own_heap().bin(slab_of(object).size_class.get());
        const std::size_t bytes = usable_bytes(object);
        const Held top = bin.held() != 0 ? bin.held_at(bin.held() - 1) : Held{};
        const std::size_t top_bytes = top.slot != nullptr ? bytes_of(top) : 0;
        put(object);
        history_.note(object, bytes);
        if (top.slot != nullptr) history_.note(top.slot, top_bytes);  // it may have gone back too
    }

    static std::size_t bytes_of(Held held) {
        return class_size(held.slab().live.class_at(held.number(), held.slab().size_class.get()));
    }

    PageHistory& history_;
    std::mt19937_64 random_;
    std::vector<void*> objects_;
    std::size_t target_ = 5000;
    std::size_t center_ = 200;
};

// Every slot of the block is live, and no thread takes from it.
bool is_full(const Slab& first, unsigned c) {
    for (unsigned k = 0; k < region.slabs_per_block(c); k++) {
        if ((&first)[k].live.get() != class_mask(c)) return false;
    }
    return hold_of(first.state.load()) == Hold::parked;
}

void run_together(unsigned thread_count, unsigned rounds) {
    PageHistory history;
    std::vector<Worker> workers;
    for (unsigned i = 0; i < thread_count; i++) workers.emplace_back(history, seed() + i * 7919);
    std::size_t most = 0;
    unsigned round = 0;
    std::barrier meet(thread_count, [&]() noexcept {
        most = std::max(most, history.unexplained_pages());
        if (++round % 50 == 0) workers[0].swap_objects(workers[thread_count - 1]);
    });
    std::vector<std::thread> threads;
    for (Worker& worker : workers) {
        threads.emplace_back([&] {
            while (round < rounds) {
                worker.operate(400);
                meet.arrive_and_wait();
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(most == 0);
    for (Worker& worker : workers) worker.release_all();
}

}  // namespace

TEST_CASE("memory stays where objects are or lately were, in one thread", "[residency]") {
    start_core();
    const auto sweeps = reclaim.sweeps();
    PageHistory history;
    Worker worker(history, seed());
    std::size_t most = 0;
    // How soon ten sweeps have passed depends on the seed.
    const auto enough = [&] { return reclaim.sweeps() >= sweeps + 10; };
    for (unsigned round = 0; round < 1500 || (!enough() && round < 15'000); round++) {
        worker.operate(400);
        most = std::max(most, history.unexplained_pages());
    }
    CHECK(most == 0);
    CHECK(enough());
    CHECK(figure(Figure::pages_purged) > 0);
    worker.release_all();
}

TEST_CASE("memory stays where objects are or lately were, in several threads", "[residency]") {
    start_core();
    const auto purged = figure(Figure::pages_purged);
    run_together(4, 400);
    CHECK(figure(Figure::pages_purged) > purged);
}

TEST_CASE("a page goes back when no slab that lies on it has an object there, and not before",
          "[residency]") {
    start_core();
    for (const std::size_t bytes : {64u, 80u, 112u, 256u, 416u, 768u}) {
        const unsigned c = class_of(bytes);
        // Of blocks that the tests before have left, a thread may take a slab and not its neighbours.
        std::vector<void*> slots;
        std::vector<void*> kept;
        Slab* block = nullptr;
        for (unsigned round = 0; round < 100 && block == nullptr; round++) {
            for (void* slot : get_many(8 * region.slabs_per_block(c) * class_slots(c), bytes)) {
                slots.push_back(slot);
                Slab& first = region.first_of_block(slab_of(slot));
                if (is_full(first, c)) block = &first;
            }
        }
        REQUIRE(block != nullptr);
        for (void* slot : slots) {
            if (&region.first_of_block(slab_of(slot)) == block) kept.push_back(slot);
        }
        // An object of each of its slabs in turn is the last one there.
        for (void* slot : slots) {
            if (&region.first_of_block(slab_of(slot)) != block) put(slot);
        }
        std::sort(kept.begin(), kept.end());
        std::vector<void*> one_of_each;
        for (unsigned k = 0; k < region.slabs_per_block(c); k++) {
            for (void* slot : kept) {
                if (&slab_of(slot) != block + k) continue;
                one_of_each.push_back(slot);
                break;
            }
        }
        REQUIRE(one_of_each.size() == region.slabs_per_block(c));
        for (void* slot : kept) {
            if (std::find(one_of_each.begin(), one_of_each.end(), slot) == one_of_each.end()) put(slot);
        }
        for (unsigned k = 0; k < one_of_each.size(); k++) {
            CHECK(heap_of(block[k].home.load()) == own_heap().number());
            collect(1000);
            trim();
            for (unsigned rest = k; rest < one_of_each.size(); rest++) {
                REQUIRE(*static_cast<unsigned char*>(one_of_each[rest]) == 0x5a);
            }
            CHECK((block->resident.get() & 1) != 0);
            put(one_of_each[k]);
        }
        CHECK(own_heap().is_valid());
    }
    own_heap().abandon();
    trim();
    CHECK(live_slots() == 0);
    CHECK(resident_by_kernel() == 0);
}
