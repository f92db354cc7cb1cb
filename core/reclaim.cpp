#include "reclaim.h"

#include "os.h"

namespace tslab {

constinit Reclaim reclaim;

namespace {

// Blocks claimed on one walk, in the order of their addresses, with the pages to give back.
class Batch {
  public:
    bool is_full() const { return count_ == kVisitsPerTick; }

    void claim(Slab& first, unsigned pages, State before) { claims_[count_++] = {&first, before, pages, 0}; }

    // Gives back what was claimed in at most `calls` system calls, adjacent pages in one, notes it and lets
    // the blocks go. Returns the bytes given back; `refused` is set where the kernel did not take them.
    std::size_t finish(unsigned& calls, bool& refused) {
        advise_all(calls, refused);
        step(Step::purge_advised);
        unsigned pages = 0;
        for (unsigned i = 0; i < count_; i++) {
            const Claim& claim = claims_[i];
            Slab& first = *claim.first;
            const unsigned given = refused ? 0 : claim.given;
            pages += popcount(given);
            first.resident.set(static_cast<std::uint8_t>(first.resident.get() & ~given));
            first.quiet.set(static_cast<std::uint8_t>(first.quiet.get() & ~given));
            first.park(generation_of(claim.before));
        }
        count_ = 0;
        stats.add(Figure::pages_purged, pages);
        stats.subtract(Figure::resident_pages, pages);
        return pages * region.page_bytes();
    }

  private:
    struct Claim {
        Slab* first;
        State before;
        unsigned pages;
        unsigned given;
    };

    void advise_all(unsigned& calls, bool& refused) {
        std::byte* start = nullptr;
        std::byte* end = nullptr;
        for (unsigned i = 0; i < count_; i++) {
            std::byte* const slots = region.slots_of(*claims_[i].first);
            for (unsigned left = claims_[i].pages; left != 0; left &= left - 1) {
                const unsigned page = lowest(left);
                std::byte* const at = slots + page * region.page_bytes();
                if (at != end) {
                    refused = refused || !advise(start, end);
                    start = end = nullptr;
                    if (calls == 0) return;
                    calls--;
                    start = at;
                }
                end = at + region.page_bytes();
                claims_[i].given |= 1u << page;
            }
        }
        refused = refused || !advise(start, end);
    }

    static bool advise(std::byte* start, std::byte* end) {
        if (start == end) return true;
        stats.add(Figure::purge_calls);
        if (os::give_back(start, static_cast<std::size_t>(end - start)) == 0) return true;
        stats.add(Figure::purge_failures);
        return false;
    }

    Claim claims_[kVisitsPerTick];
    unsigned count_ = 0;
};

unsigned empty_pages(unsigned c, const Slab& first) {
    Word needed = 0;
    for (unsigned i = 0; i < region.slabs_per_block(c); i++)
        needed |= class_mask(c) & ~(&first + i)->unused();
    return first.resident.get() & ~region.pages_under(c, needed);
}

// Whether a look without a claim says that the block needs no visit; only ever wrong for a moment.
bool is_settled(unsigned c, const Slab& first) {
    return first.resident.get() == 0 || (first.quiet.get() == 0 && empty_pages(c, first) == 0);
}

void visit(unsigned c, Slab& first, bool at_once, Batch& batch) {
    if (is_settled(c, first)) return;
    const State before = first.state.load(std::memory_order_relaxed);
    if (!first.become_claimed(region.generation())) return;
    step(Step::purge_claimed);
    const unsigned empty = empty_pages(c, first);
    const unsigned pages = at_once ? empty : empty & first.quiet.get();
    first.quiet.set(static_cast<std::uint8_t>(empty));
    if (pages == 0) {
        first.park(generation_of(before));
    } else {
        batch.claim(first, pages, before);
    }
}

}  // namespace

bool Reclaim::tick(std::size_t bytes) {
    if (!begin_walk()) return false;
    pass_bytes_ += bytes;
    credit_bytes_ += bytes;
    if (credit_bytes_ > kCallsPerTick * kBytesPerCall) credit_bytes_ = kCallsPerTick * kBytesPerCall;
    unsigned calls = static_cast<unsigned>(credit_bytes_ / kBytesPerCall);
    credit_bytes_ -= calls * kBytesPerCall;

    Batch batch;
    std::size_t worth = off_.load(std::memory_order_relaxed) ? 0 : bytes * kSweepFactor;
    for (unsigned visits = 0; worth > 0 && visits < kVisitsPerTick;) {
        if (index_ >= region.opened(class_)) {
            const bool ends_pass = class_ == kClasses - 1;
            if (ends_pass && pass_bytes_ < kLeastPassBytes) break;
            index_ = 0;
            class_ = (class_ + 1) % kClasses;
            if (!ends_pass) continue;
            pass_bytes_ = 0;
            sweeps_.fetch_add(1, std::memory_order_relaxed);
            break;
        }
        const unsigned slabs = region.slabs_per_block(class_);
        const std::size_t block_bytes = slabs * class_span(class_);
        visit(class_, region.slab_at(class_, index_), false, batch);
        index_ += slabs;
        visits += slabs;
        worth = worth > block_bytes ? worth - block_bytes : 0;
    }
    bool refused = false;
    batch.finish(calls, refused);
    if (refused) off_.store(true, std::memory_order_relaxed);
    credit_bytes_ += calls * kBytesPerCall;
    end_walk();
    return true;
}

std::size_t Reclaim::purge_now() {
    std::size_t given_bytes = 0;
    bool refused = off_.load(std::memory_order_relaxed);
    Batch batch;
    for (unsigned c = 0; c < kClasses && !refused; c++) {
        for (std::uint32_t index = 0; index < region.opened(c) && !refused;
             index += region.slabs_per_block(c)) {
            visit(c, region.slab_at(c, index), true, batch);
            unsigned calls = ~0u;
            if (batch.is_full()) given_bytes += batch.finish(calls, refused);
        }
    }
    unsigned calls = ~0u;
    given_bytes += batch.finish(calls, refused);
    if (refused) off_.store(true, std::memory_order_relaxed);
    return given_bytes;
}

}  // namespace tslab
