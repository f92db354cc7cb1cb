#include "reclaim.h"

#include "options.h"
#include "os.h"

namespace tslab {

constinit Reclaim reclaim;

// Adjacent pages of blocks that this walk has claimed: what one system call gives back.
class Run {
  public:
    explicit Run(bool may_begin) : may_begin_(may_begin) {}

    bool is_empty() const { return count_ == 0; }
    bool may_grow() const { return may_begin_ && count_ < kVisitsPerTick; }
    bool reaches(const Slab& first) const {
        return !is_empty() && end_ == region.slots_of(first) &&
               first.size_class.get() == claims_[0].first->size_class.get();
    }

    // Those of a block's `pages` that lengthen the run: where it has begun, the ones next to its end.
    unsigned fitting(const Slab& first, unsigned pages) const {
        if (is_empty() ? !may_begin_ : count_ == kVisitsPerTick || !reaches(first) || (pages & 1) == 0)
            return 0;
        const unsigned from = lowest(pages);
        return (pages >> from & ~((pages >> from) + 1)) << from;
    }

    // `pages` fit. The claim on the block is the run's from here on; `before` is the state to leave the block
    // in.
    void add(Slab& first, unsigned pages, State before) {
        std::byte* const slots = region.slots_of(first);
        const unsigned from = lowest(pages);
        if (is_empty()) start_ = slots + from * region.page_bytes();
        end_ = slots + (from + popcount(pages)) * region.page_bytes();
        claims_[count_++] = {&first, before, pages};
    }

    // Gives the pages back, notes it and lets the blocks go. False where the kernel refused.
    bool finish() {
        if (is_empty()) return true;
        stats.add(Figure::purge_calls);
        slow_causes |= kCalledSystem;
        const bool given = os::give_back(start_, static_cast<std::size_t>(end_ - start_)) == 0;
        step(Step::purge_advised);
        for (unsigned i = 0; i < count_; i++) {
            Slab& first = *claims_[i].first;
            const auto kept = static_cast<std::uint8_t>(given ? ~claims_[i].pages : ~0u);
            first.resident.set(first.resident.get() & kept);
            first.quiet.set(first.quiet.get() & kept);
            first.purged = first.purged || given;
            first.park(generation_of(claims_[i].before));
        }
        count_ = 0;
        if (!given) {
            stats.add(Figure::purge_failures);
            return false;
        }
        const auto pages = static_cast<std::size_t>(end_ - start_) / region.page_bytes();
        stats.add_in(claims_[0].first->size_class.get(), Figure::pages_purged, pages);
        stats.subtract_in(claims_[0].first->size_class.get(), Figure::resident_pages, pages);
        purged_bytes_ += pages * region.page_bytes();
        return true;
    }

    std::size_t purged_bytes() const { return purged_bytes_; }

  private:
    struct Claim {
        Slab* first;
        State before;
        unsigned pages;
    };

    bool may_begin_;
    std::byte* start_ = nullptr;
    std::byte* end_ = nullptr;
    std::size_t purged_bytes_ = 0;
    Claim claims_[kVisitsPerTick];
    unsigned count_ = 0;
};

namespace {

// Notes which pages are empty and adds to the run those that fit and were empty before, or all that are where
// it is to be done at once. True where pages are left that did not fit.
bool visit(Slab& first, bool at_once, Run& run) {
    const unsigned resident = first.resident.get();
    if (resident == 0 || (first.quiet.get() == 0 && region.empty_pages(first) == 0)) return false;
    const State before = first.state.load(std::memory_order_relaxed);
    if (!first.become_claimed(region.generation())) return false;
    step(Step::purge_claimed);
    const unsigned empty = region.empty_pages(first);
    const unsigned wanted = at_once ? empty : empty & first.quiet.get();
    first.quiet.set(static_cast<std::uint8_t>(empty));
    const unsigned pages = wanted != 0 ? run.fitting(first, wanted) : 0;
    if (pages != 0) {
        run.add(first, pages, before);
    } else {
        first.park(generation_of(before));
    }
    return pages != wanted;
}

void finish(Run& run, std::atomic<bool>& off) {
    if (!run.finish()) off.store(true, std::memory_order_relaxed);
}

}  // namespace

// Pages that were given back and are soon taken again cost two system calls' worth of time and save nothing:
// the more of them there are, the longer it is to the next sweep.
void Reclaim::end_sweep() {
    sweeps_.fetch_add(1, std::memory_order_relaxed);
    const std::uint64_t purged = stats.get(Figure::pages_purged);
    const std::uint64_t retaken = stats.get(Figure::pages_retaken);
    recently_purged_ = recently_purged_ / 2 + (purged - purged_before_);
    const bool in_vain = (retaken - retaken_before_) * 2 > recently_purged_ && recently_purged_ != 0;
    purged_before_ = purged;
    retaken_before_ = retaken;
    if (in_vain) {
        patience_ = patience_ < kMostPatience ? patience_ * 2 : kMostPatience;
    } else if (patience_ > 1) {
        patience_ /= 2;
    }
    if (options.reclaim == Reclaiming::eager) patience_ = 1;
    passes_to_sweep_ = patience_;
}

void Reclaim::end_pass() {
    pass_bytes_ = 0;
    if (passes_to_sweep_ == 0) end_sweep();
    const std::size_t resident = stats.get(Figure::resident_pages) * region.page_bytes();
    const bool large = kept_bytes_ > kLargeGain && kept_bytes_ > resident / 4;
    if (large && passes_to_sweep_ > kPatienceForGain) passes_to_sweep_ = kPatienceForGain;
    passes_to_sweep_--;
    kept_bytes_ = 0;
}

void Reclaim::end_class() {
    const bool any = in_use_.resident_bytes > in_use_.live_bytes;
    const std::size_t kept = any ? in_use_.resident_bytes - in_use_.live_bytes : 0;
    const std::size_t budget = in_use_.live_bytes / 100 * options.budget.value;
    const std::uint32_t mask = std::uint32_t{1} << class_;
    kept_bytes_ += kept;
    const std::uint32_t seen = over_budget_.load(std::memory_order_relaxed);
    over_budget_.store(kept > budget ? seen | mask : seen & ~mask, std::memory_order_relaxed);
    in_use_ = {};
}

void Reclaim::add_up(const Slab& first) {
    const unsigned resident = first.resident.get();
    if (resident == 0) return;
    in_use_.resident_bytes += popcount(resident) * region.page_bytes();
    for (unsigned i = 0; i < region.slabs_per_block(class_); i++) {
        in_use_.live_bytes += (&first)[i].live_objects() * class_size(class_);
    }
}

// Moves the cursor to the next block. False at the end of a pass, or where the next one may not begin yet.
bool Reclaim::find_block() {
    while (index_ >= region.opened(class_)) {
        const bool ends_pass = class_ == kClasses - 1;
        if (ends_pass && pass_bytes_ < kLeastPassBytes) return false;
        end_class();
        index_ = 0;
        class_ = (class_ + 1) % kClasses;
        if (!ends_pass) continue;
        end_pass();
        return false;
    }
    return true;
}

// Purges what is empty by now of a slab that was being freed into some ticks ago, and of those behind it that
// this tick's bytes may have reached. The ticks between stand for the sweep between two visits.
unsigned Reclaim::look_back(Run& run, SlabNumber freed_into, bool purges) {
    const std::size_t resident_pages = stats.get(Figure::resident_pages);
    std::size_t ticks = resident_pages * region.page_bytes() / (kTickBytes * kTrailShare);
    if (ticks > kTrail) ticks = kTrail;
    const SlabNumber back = trail_[(trail_next_ - ticks) % kTrail];
    trail_[trail_next_++ % kTrail] = freed_into;
    if (!purges || back == 0 || patience_ != 1) return 0;
    Slab* first = &region.first_of_block(region.slab(back));
    const std::size_t bytes = region.block_bytes(first->size_class.get());
    unsigned visits = 0;
    for (std::size_t seen = 0; first != nullptr && run.may_grow() && visits < kVisitsPerTick; seen += bytes) {
        if (run.is_empty() ? seen >= kTickBytes : !run.reaches(*first)) break;
        BoundedCall::did(Work::slab_visit);
        visit(*first, true, run);
        visits += region.slabs_per_block(first->size_class.get());
        first = region.next_block(*first);
    }
    return visits;
}

bool Reclaim::tick(std::size_t bytes, SlabNumber freed_into) {
    if (!begin_walk()) return false;
    if (left_bytes_.load(std::memory_order_relaxed) != 0)
        bytes += left_bytes_.exchange(0, std::memory_order_relaxed);
    epochs.clock(bytes);
    pass_bytes_ += bytes;
    call_bytes_ += bytes;
    visit_bytes_ += static_cast<std::int64_t>(bytes * kSweepFactor);
    const bool purges = options.reclaim != Reclaiming::off && !off_.load(std::memory_order_relaxed);
    const bool eager = options.reclaim == Reclaiming::eager;
    Run run(call_bytes_ >= kBytesPerCall);
    // By turns, where the cursor waits for a call.
    unsigned visits = purges ? look_back(run, freed_into, !waits_ || trail_next_ % 2 == 0) : 0;
    waits_ = false;
    while (visits < kVisitsPerTick) {
        BoundedCall::did(Work::slab_visit);
        if (!find_block()) {
            if (visit_bytes_ > 0) visit_bytes_ = 0;
            break;
        }
        Slab& first = region.slab_at(class_, index_);
        // A run goes on past the walk's share, so that one call gives back more.
        if (visit_bytes_ <= 0 && !run.reaches(first)) break;
        const std::size_t resident = popcount(first.resident.get()) * region.page_bytes();
        if (purges && passes_to_sweep_ == 0 && visit(first, eager, run)) {
            waits_ = true;
            break;
        }
        const unsigned slabs = region.slabs_per_block(class_);
        index_ += slabs;
        visits += slabs;
        visit_bytes_ -= static_cast<std::int64_t>(resident);
        add_up(first);
    }
    if (!run.is_empty()) {
        call_bytes_ -= kBytesPerCall;
        finish(run, off_);
    }
    end_walk();
    return true;
}

template <typename Wanted>
std::size_t Reclaim::purge(Wanted wanted) {
    Run run(true);
    for (unsigned c = 0; c < kClasses; c++) {
        for (std::uint32_t index = 0; index < region.opened(c); index += region.slabs_per_block(c)) {
            Slab& first = region.slab_at(c, index);
            if (!wanted(first)) continue;
            while (!off_.load(std::memory_order_relaxed) && visit(first, true, run)) finish(run, off_);
        }
    }
    finish(run, off_);
    slow_causes = 0;  // not a call for a class
    return run.purged_bytes();
}

std::size_t Reclaim::purge_now() {
    return purge([](const Slab&) { return true; });
}

std::size_t Reclaim::purge_epoch(std::uint32_t epoch) {
    return purge(
        [epoch](const Slab& first) { return epoch_of(first.home.load(std::memory_order_relaxed)) == epoch; });
}

}  // namespace tslab
