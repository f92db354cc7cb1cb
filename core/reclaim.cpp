#include "reclaim.h"

#include "options.h"
#include "os.h"

namespace tslab {

constinit Reclaim reclaim;

namespace {

unsigned longest_run(unsigned pages) {
    unsigned longest = 0;
    while (pages != 0) {
        const unsigned from = lowest(pages);
        const unsigned run = (pages >> from & ~((pages >> from) + 1)) << from;
        if (popcount(run) > popcount(longest)) longest = run;
        pages &= ~run;
    }
    return longest;
}

// Whether a run may cross a block that has no memory. One that nobody has owned yet is left to its opener,
// who counts on having it.
bool may_cross(const Slab& first, const Run& run) { return !run.is_empty() && first.generation.get() != 0; }

// Whether the walk has anything to do with the block.
bool concerns(const Slab& first, const Run& run) {
    if (first.resident.get() == 0) return may_cross(first, run);
    return first.quiet.get() != 0 || region.empty_pages(first) != 0;
}

// The walk goes through the block from page `at` on: notes which pages are empty, and adds to the run the
// next that were empty before, or that are where it is to be done at once. False where the run ends within
// the block: `at` says where the walk goes on.
bool walk_block(Slab& first, unsigned& at, bool at_once, Run& run) {
    if (!concerns(first, run)) return true;
    const State before = first.state.load(std::memory_order_relaxed);
    if (!first.become_claimed(region.generation())) return true;
    step(Step::purge_claimed);
    const unsigned empty = region.empty_pages(first);
    const unsigned quiet = first.quiet.get();
    const unsigned wanted = (at_once ? empty : empty & quiet) & ~static_cast<unsigned>(low_bits(at));
    const unsigned end = region.pages_per_block(first.size_class.get());
    const unsigned taken_to = run.take_in(first, wanted, before);
    if (taken_to != 0) at = taken_to;
    if (wanted == 0) at = end;
    // Of those that the walk has not come to stays what was noted.
    const auto passed = static_cast<unsigned>(low_bits(at));
    first.quiet.set(static_cast<std::uint8_t>((empty & passed) | (quiet & ~passed)));
    if (taken_to == 0) first.park(generation_of(before));
    return at == end;
}

// The same looking back: at once, and a run begins with the most pages of the block that are adjacent.
void walk_back(Slab& first, Run& run) {
    if (first.resident.get() == 0 ? !may_cross(first, run) : region.empty_pages(first) == 0) return;
    const State before = first.state.load(std::memory_order_relaxed);
    if (!first.become_claimed(region.generation())) return;
    step(Step::purge_claimed);
    const unsigned empty = region.empty_pages(first);
    const unsigned wanted = run.is_empty() ? longest_run(empty) : empty;
    if (run.take_in(first, wanted, before) == 0) first.park(generation_of(before));
}

// Whether a run would begin in the block, from page `at` on.
bool has_run(const Slab& first, unsigned at, bool at_once) {
    const unsigned noted =
        (at_once ? first.resident : first.quiet).get() & ~static_cast<unsigned>(low_bits(at));
    return noted != 0 && (region.empty_pages(first) & noted) != 0;
}

std::size_t resident_now() { return stats.get(Figure::resident_pages) * region.page_bytes(); }

// As grows_here in region.cpp.
constinit thread_local bool walks_here = false;

}  // namespace

bool Reclaim::begin_walk() {
    if (walking_.exchange(true, std::memory_order_acquire)) return false;
    walks_here = true;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return true;
}

void Reclaim::end_walk() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    walks_here = false;
    walking_.store(false, std::memory_order_release);
}

void Reclaim::begin_generation() {
    if (walks_here) return;
    class_ = 0;
    index_ = 0;
    page_ = 0;
    in_use_ = {};
    kept_bytes_ = 0;
    for (SlabNumber& slab : trail_) slab = 0;
    walking_.store(false, std::memory_order_relaxed);
}

// Pages that are given back and soon taken again cost two system calls' worth of time and save nothing: where
// they are more than half of what a sweep gives back, and come faster than they may, it is longer to the next
// sweep. recently_purged_ is twice what a sweep gives back where all give back alike. It is less long again
// after a sweep that gave back some at a lower price, and not after one that found none.
void Reclaim::end_sweep() {
    if (!left_some_) sweeps_.fetch_add(1, std::memory_order_relaxed);
    left_some_ = false;
    const std::uint64_t purged = stats.get(Figure::pages_purged);
    const std::uint64_t retaken = stats.get(Figure::pages_retaken);
    recently_purged_ = recently_purged_ / 2 + (purged - purged_before_);
    const std::uint64_t came_back = retaken - retaken_before_;
    const bool most = came_back * 4 > recently_purged_ && recently_purged_ != 0;
    const bool in_vain =
        most && came_back * kBytesPerRetake > sweep_bytes_ * (1 + free_bytes_ / kGainPerRetake);
    const bool gave_some = purged != purged_before_;
    sweep_bytes_ = 0;
    purged_before_ = purged;
    retaken_before_ = retaken;
    if (in_vain) {
        patience_ = patience_ < kMostPatience ? patience_ * 2 : kMostPatience;
    } else if (patience_ > 1 && gave_some) {
        patience_ /= 2;
    }
    if (options.reclaim == Reclaiming::eager) patience_ = 1;
    passes_to_sweep_ = patience_;
}

// What comes back is taken for that which went last: it is charged as long as any of that is away. Returns
// the time since it was last asked for, up to kYoungMs.
std::uint64_t Reclaim::let_time_pay() {
    const std::uint64_t now_ms = os::monotonic_ms();
    if (seen_ms_ == 0) seen_ms_ = now_ms;
    std::uint64_t passed_ms = now_ms > seen_ms_ ? now_ms - seen_ms_ : 0;
    if (passed_ms > kYoungMs) passed_ms = kYoungMs;
    const std::uint64_t retaken = stats.get(Figure::pages_retaken);
    const std::uint64_t back = (retaken - seen_retaken_) * region.page_bytes();
    seen_ms_ = now_ms;
    seen_retaken_ = retaken;
    young_bytes_ -= young_bytes_ * passed_ms / kYoungMs;
    const std::uint64_t charged = back < young_bytes_ ? back : young_bytes_;
    young_bytes_ -= charged;
    balance_bytes_ += static_cast<std::int64_t>(passed_ms * kPaidPerMs) - static_cast<std::int64_t>(charged);
    if (balance_bytes_ > kMostPaid || options.reclaim == Reclaiming::eager) balance_bytes_ = kMostPaid;
    if (balance_bytes_ < -kMostPaid) balance_bytes_ = -kMostPaid;
    return passed_ms;
}

// A pass that waited for time to pay goes on as a sweep, which does not count as one.
void Reclaim::look_at_clock() {
    const bool waits = owes();
    if (!waits && gain() != Gain::large) return;
    if (let_time_pay() != 0 && visit_bytes_ < kVisitedAtLeisure) visit_bytes_ = kVisitedAtLeisure;
    if (!waits || owes() || passes_to_sweep_ != 1) return;
    passes_to_sweep_ = 0;
    left_some_ = true;
}

void Reclaim::end_pass() {
    pass_bytes_ = 0;
    if (passes_to_sweep_ == 0) end_sweep();
    const std::size_t resident = resident_now();
    free_bytes_ = kept_bytes_;
    const Gain some = free_bytes_ > kSmallGain ? Gain::some : Gain::small;
    gain_.store(much_is_free(resident) ? Gain::large : some, std::memory_order_relaxed);
    if (a_quarter_is_free(resident)) {
        const std::size_t most = kPatienceForGain * (1 + kLargeGain / free_bytes_);
        if (passes_to_sweep_ > most) passes_to_sweep_ = static_cast<unsigned>(most);
    }
    passes_to_sweep_--;
    if (let_time_pay() == kYoungMs) passes_to_sweep_ = 0;
    const std::size_t used = resident > free_bytes_ ? resident - free_bytes_ : 0;
    lately_used_ -= lately_used_ / kLatelyPasses;
    if (lately_used_ < used) lately_used_ = used;
    if (owes() && passes_to_sweep_ == 0) passes_to_sweep_ = 1;
    kept_bytes_ = 0;
}

void Reclaim::end_class() {
    const bool any = in_use_.resident_bytes > in_use_.used_bytes;
    const std::size_t kept = any ? in_use_.resident_bytes - in_use_.used_bytes : 0;
    const std::size_t budget = in_use_.used_bytes / 100 * options.budget.value;
    const std::uint32_t mask = std::uint32_t{1} << class_;
    kept_bytes_ += kept;
    const std::uint32_t seen = over_budget_.load(std::memory_order_relaxed);
    over_budget_.store(kept > budget ? seen | mask : seen & ~mask, std::memory_order_relaxed);
    in_use_ = {};
}

void Reclaim::add_up(const Slab& first, std::size_t resident_bytes) {
    if (resident_bytes == 0) return;
    in_use_.resident_bytes += resident_bytes;
    for (unsigned i = 0; i < region.slabs_per_block(class_); i++) add_used((&first)[i].unused_count());
}

void Reclaim::add_used(unsigned unused) {
    const unsigned slots = class_slots(class_);
    if (unused < slots) in_use_.used_bytes += (slots - unused) * class_size(class_);
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

// Ends the run. False, with the run as it was, where it is not worth a call.
bool Reclaim::gives_back(Run& run) {
    const std::size_t resident = resident_now();
    if (!is_worth_a_call(run.bytes(), call_bytes_, resident)) return false;
    if (little_is_free(resident) && since_call_ < kLittleFactor * left_for_longer(run.bytes(), resident))
        return false;
    call_bytes_ -= kBytesPerCall;
    since_call_ = 0;
    const std::size_t bytes = run.bytes();
    if (run.give_back()) {
        young_bytes_ += bytes;
        refused_ = 0;
    } else {
        left_some_ = true;
        off_bytes_ = kBytesPerCall << refused_;
        if (refused_ < kMostRefused) refused_++;
    }
    return true;
}

// Purges what is empty by now of a slab that was being freed into some ticks ago, and of those behind it that
// this tick's bytes may have reached. The ticks between stand for the sweep between two visits; where little
// is resident there are none, and the next sweep is soon. A short run is left: the pages beside it are likely
// to be empty soon.
unsigned Reclaim::look_back(SlabNumber freed_into, bool purges, std::size_t resident) {
    std::size_t ticks = resident / (kTickBytes * kTrailShare);
    if (ticks > kTrail) ticks = kTrail;
    const SlabNumber back = trail_[(trail_next_ - ticks) % kTrail];
    trail_[trail_next_++ % kTrail] = freed_into;
    const bool in_vain = owes() || (patience_ != 1 && !much_is_free(resident));
    if (!purges || ticks == 0 || back == 0 || in_vain || call_bytes_ < kBytesPerCall) return 0;
    Slab* first = &region.first_of_block(region.slab(back));
    const std::size_t bytes = region.block_bytes(first->size_class.get());
    unsigned visits = 0;
    Run run;
    for (std::size_t seen = 0; first != nullptr && visits < kVisitsPerTick / 2; seen += bytes) {
        if (run.is_empty() ? seen >= kTickBytes : !run.reaches(*first)) break;
        BoundedCall::did(Work::slab_visit);
        walk_back(*first, run);
        visits += region.slabs_per_block(first->size_class.get());
        first = region.next_block(*first);
    }
    if (run.bytes() < kLeastLookBack || !gives_back(run)) run.let_go();
    return visits;
}

bool Reclaim::tick(std::size_t bytes, SlabNumber freed_into, std::size_t recycled_bytes) {
    if (!begin_walk()) return false;
    if (left_bytes_.load(std::memory_order_relaxed) != 0)
        bytes += left_bytes_.exchange(0, std::memory_order_relaxed);
    epochs.clock(bytes);
    call_bytes_ += bytes + recycled_bytes;
    since_call_ += bytes + recycled_bytes;
    sweep_bytes_ += bytes + recycled_bytes;
    pass_bytes_ += bytes + recycled_bytes / kSweepFactor;
    visit_bytes_ += static_cast<std::int64_t>(bytes * kSweepFactor + recycled_bytes);
    off_bytes_ -= off_bytes_ < bytes + recycled_bytes ? off_bytes_ : bytes + recycled_bytes;
    if (off_bytes_ != 0) left_some_ = true;
    const bool purges = options.reclaim != Reclaiming::off && off_bytes_ == 0;
    const std::size_t resident = resident_now();
    look_at_clock();
    const bool at_once = options.reclaim == Reclaiming::eager || much_is_free(resident);
    const std::size_t saved = call_bytes_;
    const unsigned visits = look_back(freed_into, purges, resident);
    // Where a block is of many slabs, looking back may have used up all visits, and would in every tick.
    walk(visits < kVisitsPerTick / 2 ? visits : kVisitsPerTick / 2, purges, call_bytes_ == saved, at_once);
    end_walk();
    return true;
}

// Moves the cursor on, past as many slabs as this tick has left of its visits, and at most to the first page
// that could begin a run, where it may make no call any more or has few visits left.
void Reclaim::walk(unsigned visits, bool purges, bool may_call, bool at_once) {
    Run run;
    const auto end_run = [&] {
        if (run.is_empty()) return;
        // Where no call is left, pages came free behind the look that found no run to begin.
        if (may_call && gives_back(run)) {
            may_call = false;
        } else {
            run.let_go();
            left_some_ = true;
        }
    };
    while (visits < kVisitsPerTick) {
        const bool sweeps = purges && passes_to_sweep_ == 0;
        if (run.is_empty() && page_ == 0) visits = pass_used(visits, sweeps);
        if (visits == kVisitsPerTick) break;
        BoundedCall::did(Work::slab_visit);
        if (index_ >= region.opened(class_)) end_run();  // before the sweep does
        if (!find_block()) {
            if (visit_bytes_ > 0) visit_bytes_ = 0;
            break;
        }
        Slab& first = region.slab_at(class_, index_);
        if (!run.reaches(first)) end_run();
        // A run goes on past the walk's share, so that one call gives back more.
        if (visit_bytes_ <= 0 && run.is_empty()) break;
        const unsigned slabs = region.slabs_per_block(class_);
        const std::size_t resident = popcount(first.resident.get()) * region.page_bytes();
        if (sweeps) {
            // A run that begins late in a tick would be cut short.
            const bool may_begin = may_call && visits + kLeastRunVisits <= kVisitsPerTick;
            if (run.is_empty() && !may_begin && has_run(first, page_, at_once)) break;
            if (!walk_block(first, page_, at_once, run)) {
                end_run();
                visits++;
                continue;
            }
        }
        page_ = 0;
        index_ += slabs;
        visits += slabs;
        visit_bytes_ -= static_cast<std::int64_t>(resident);
        add_up(first, resident);
    }
    end_run();
}

// Most blocks on small pages are of one slab, without an empty page that has memory: the cursor goes past
// those that follow each other, and there is no more to them. Where nothing sweeps, there is no more to any.
unsigned Reclaim::pass_used(unsigned visits, bool sweeps) {
    if (region.slabs_per_block(class_) != 1) return visits;
    const std::uint32_t opened = region.opened(class_);
    for (; visits < kVisitsPerTick && visit_bytes_ > 0 && index_ < opened; visits++) {
        const Slab& slab = region.slab_at(class_, index_);
        const unsigned unused = slab.unused_count();
        if (sweeps && slab.quiet.get() != 0) break;
        if (sweeps && region.may_fill_page(class_, unused) && region.empty_pages(slab) != 0) break;
        BoundedCall::did(Work::slab_visit);
        index_++;
        if (slab.resident.get() == 0) continue;  // it may have been opened just now
        const std::size_t resident = popcount(slab.resident.get()) * region.page_bytes();
        visit_bytes_ -= static_cast<std::int64_t>(resident);
        in_use_.resident_bytes += resident;
        add_used(unused);
    }
    return visits;
}

template <typename Wanted>
std::size_t Reclaim::purge(Wanted wanted) {
    Run run;
    std::size_t given_bytes = 0;
    unsigned refused = 0;
    const auto end_run = [&] {
        if (run.is_empty()) return;
        const std::size_t bytes = run.bytes();
        if (run.give_back()) {
            given_bytes += bytes;
            refused = 0;
        } else {
            refused++;
        }
    };
    for (unsigned c = 0; c < kClasses; c++) {
        for (std::uint32_t index = 0; index < region.opened(c); index += region.slabs_per_block(c)) {
            Slab& first = region.slab_at(c, index);
            if (!wanted(first)) continue;
            if (!run.reaches(first)) end_run();
            unsigned page = 0;
            while (refused < kMostRefused && !walk_block(first, page, true, run)) end_run();
        }
    }
    end_run();
    slow_causes = 0;  // not a call for a class
    return given_bytes;
}

std::size_t Reclaim::purge_now() {
    return purge([](const Slab&) { return true; });
}

std::size_t Reclaim::purge_epoch(std::uint32_t epoch) {
    return purge(
        [epoch](const Slab& first) { return epoch_of(first.home.load(std::memory_order_relaxed)) == epoch; });
}

}  // namespace tslab
