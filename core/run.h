// Pages that one system call gives back: of one block, or of several that follow each other.
#pragma once

#include "os.h"
#include "region.h"
#include "stats.h"

namespace tslab {

// A run of so many bytes or pages is not lengthened: the call that gives it back takes its time by the page.
inline constexpr std::size_t kLongRunBytes = std::size_t{64} << 10;
inline constexpr unsigned kLongRunPages = 12;
inline constexpr unsigned kMostClaims = 16;  // blocks of a run, with those it only crosses
static_assert(kMostClaims < kAcquireTries, "while one walks, others find released blocks");

// Pages of blocks that this walk has claimed, with none between them but such as have no memory: what one
// system call gives back.
class Run {
  public:
    bool is_empty() const { return count_ == 0; }
    std::size_t bytes() const { return pages_ * region.page_bytes(); }
    // Whether the run may go on in the block, which begins where all is claimed so far.
    bool reaches(const Slab& first) const {
        return !is_empty() && claimed_end_ == region.slots_of(first) && !is_long() && count_ < kMostClaims &&
               first.size_class.get() == claims_[0].first->size_class.get();
    }

    // The run is empty, or reaches the block, which the caller has claimed. Takes in the wanted pages up to
    // the first other that has memory. Returns which one that is, and keeps the claim; or 0 where there is
    // nothing to take in. `before` is the state to leave the block in.
    unsigned take_in(Slab& first, unsigned wanted, State before) {
        if (is_empty() && wanted == 0) return 0;
        const unsigned from = is_empty() ? lowest(wanted) : 0;
        const unsigned all_pages = region.pages_per_block(first.size_class.get());
        const Word crossed = wanted | (low_bits(all_pages) & ~Word{first.resident.get()});
        const unsigned end = from + lowest(~(crossed >> from));
        const auto pages = static_cast<unsigned>(wanted & low_bits(end));
        if (pages == 0 && end != all_pages) return 0;

        std::byte* const slots = region.slots_of(first);
        if (is_empty()) start_ = slots + from * region.page_bytes();
        if (pages != 0) end_ = slots + (log2_floor(pages) + 1) * region.page_bytes();
        claimed_end_ = slots + end * region.page_bytes();
        pages_ += popcount(pages);
        claims_[count_++] = {&first, before, pages};
        return end;
    }

    // Gives the pages back, notes it and lets the blocks go. False where the kernel refused.
    bool give_back() {
        stats.add(Figure::purge_calls);
        slow_causes |= kCalledSystem;
        const bool given = os::give_back(start_, static_cast<std::size_t>(end_ - start_)) == 0;
        step(Step::purge_advised);
        const std::size_t c = claims_[0].first->size_class.get();
        for (unsigned i = 0; i < count_ && given; i++) {
            Slab& first = *claims_[i].first;
            const auto kept = static_cast<std::uint8_t>(~claims_[i].pages);
            first.resident.set(first.resident.get() & kept);
            first.quiet.set(first.quiet.get() & kept);
            if (claims_[i].pages != 0) first.purged.set(true);
        }
        if (given) {
            stats.add_in(c, Figure::pages_purged, pages_);
            stats.subtract_in(c, Figure::resident_pages, pages_);
        } else {
            stats.add(Figure::purge_failures);
        }
        let_go();
        return given;
    }

    // Lets the blocks go as they are.
    void let_go() {
        for (unsigned i = 0; i < count_; i++) claims_[i].first->park(generation_of(claims_[i].before));
        count_ = 0;
        pages_ = 0;
    }

  private:
    bool is_long() const { return bytes() >= kLongRunBytes || pages_ >= kLongRunPages; }

    struct Claim {
        Slab* first;
        State before;
        unsigned pages;
    };

    std::byte* start_ = nullptr;
    std::byte* end_ = nullptr;
    std::byte* claimed_end_ = nullptr;  // what lies between end_ and here has no memory
    Claim claims_[kMostClaims];
    unsigned count_ = 0;
    unsigned pages_ = 0;
};

}  // namespace tslab
