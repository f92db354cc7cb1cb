#include "figures.h"

#include <string.h>

namespace tslab {

namespace {

// Where each figure stands in ClassSum::derived.
enum Derived : unsigned {
#define TSLAB_PLACE(kind, name, help) name,
    TSLAB_CLASS_COLUMNS(TSLAB_PLACE)
#undef TSLAB_PLACE
};

constexpr unsigned kProbes = 16;
constexpr unsigned kOthers = kEpochRows - 1;  // the place of epochs that find none

constexpr unsigned place(Figure figure) { return static_cast<unsigned>(figure); }
constexpr bool is_by_class(unsigned figure) { return columns::kCounted[figure].scope == Scope::by_class; }

}  // namespace

void Survey::begin() {
    class_ = 0;
    index_ = 0;
    heap_ = 0;
    domain_ = 0;
    epochs_in_use_ = 0;
    memset(forwarded_, 0, sizeof forwarded_);
    memset(classes_, 0, sizeof classes_);
    memset(epochs_, 0, sizeof epochs_);
}

bool Survey::advance(unsigned steps) {
    for (unsigned done = 0; done < steps;) {
        // What heaps have changes fastest, and so comes last.
        if (index_ < region.opened(class_)) {
            add_block(class_, region.slab_at(class_, index_));
            index_ += region.slabs_per_block(class_);
            done++;
        } else if (class_ + 1 < kClasses) {
            class_++;
            index_ = 0;
        } else if (domain_ < domains.made()) {
            Bins& bins = domain_bins(++domain_);
            for (unsigned c = 0; c < kClasses; c++) classes_[c].derived[served] += bins[c].taken();
            done += kClasses;
        } else if (heap_ < heaps.count()) {
            add_heap(heaps.at(++heap_));
            done += kClasses;
        } else {
            add_counted();
            sort_epochs();
            return true;
        }
    }
    return false;
}

void Survey::add_heap(Heap& heap) {
    for (unsigned c = 0; c < kClasses; c++) {
        classes_[c].derived[served] += heap.own_bins()[c].taken() + heap.taken_before[c].get();
        classes_[c].derived[refills] += heap.refills[c].get();
        classes_[c].counted[place(Figure::remote_frees)] += heap.remote_frees[c].get();
        classes_[c].counted[place(Figure::slow_locks)] += heap.slow_locks[c].get();
    }
    forwarded_[0] += heap.forwarded_below.get();
    forwarded_[1] += heap.forwarded_above.get();
    forwarded_[2] += heap.forwarded_aligned.get();
}

// Read once, so that all rows agree although other threads go on counting.
void Survey::add_counted() {
    for (unsigned c = 0; c < kClasses; c++) {
        ClassSum& sum = classes_[c];
        for (unsigned figure = 0; figure < kFigures; figure++) {
            if (is_by_class(figure)) sum.counted[figure] += stats.get_in(c, static_cast<Figure>(figure));
        }
        for (const Figure part : {Figure::slow_system_calls, Figure::slow_new_slabs,
                                  Figure::slow_purged_slabs, Figure::slow_locks})
            sum.derived[slow_path_hits] += sum.counted[place(part)];
    }
}

void Survey::add_block(std::size_t c, const Slab& first) {
    const unsigned count = region.slabs_per_block(c);
    const Home home = first.home.load(std::memory_order_relaxed);
    const std::uint64_t resident = popcount(first.resident.get()) * region.page_bytes();
    const bool in_use = heap_of(home) != 0;
    if (!in_use && resident == 0) return;
    const std::uint64_t empty = resident != 0 ? popcount(region.empty_pages(first)) * region.page_bytes() : 0;
    std::uint64_t live = 0;
    std::uint64_t slots = 0;
    for (unsigned i = 0; i < count && in_use; i++) {
        const Word objects = (&first)[i].live_slots();
        live += popcount(objects);
        slots += popcount((&first)[i].joined(objects));
    }
    std::uint64_t(&sum)[columns::kDerived] = classes_[c].derived;
    EpochSum& epoch = sum_of(epoch_of(home));
    sum[live_objects] += live;
    epoch.live_objects += live;
    sum[live_bytes] += slots * class_size(c);
    epoch.live_bytes += slots * class_size(c);
    sum[slabs] += in_use ? count : 0;
    epoch.slabs += in_use ? count : 0;
    sum[resident_bytes] += resident;
    epoch.resident_bytes += resident;
    sum[reclaimable_bytes] += empty;
    epoch.reclaimable_bytes += empty;
}

Survey::EpochSum& Survey::sum_of(std::uint32_t epoch) {
    for (unsigned probe = 0; probe < kProbes && epoch != 0; probe++) {
        EpochSum& sum = epochs_[(epoch + probe) % kOthers];
        if (sum.used && sum.epoch != epoch) continue;
        sum.used = true;
        sum.epoch = epoch;
        return sum;
    }
    epochs_[kOthers].used = true;
    return epochs_[kOthers];
}

// Those in use come first, by number: Shell's way, which needs no room.
void Survey::sort_epochs() {
    for (const EpochSum& sum : epochs_) {
        if (sum.used) epochs_[epochs_in_use_++] = sum;
    }
    for (unsigned gap = epochs_in_use_ / 2; gap > 0; gap /= 2) {
        for (unsigned i = gap; i < epochs_in_use_; i++) {
            const EpochSum moved = epochs_[i];
            unsigned at = i;
            for (; at >= gap && moved.epoch < epochs_[at - gap].epoch; at -= gap)
                epochs_[at] = epochs_[at - gap];
            epochs_[at] = moved;
        }
    }
}

bool Survey::class_row(std::size_t c, std::uint64_t (&row)[kClassWords]) const {
    unsigned at = 0;
    bool any = false;
    row[at++] = class_size(c);
    for (const std::uint64_t value : classes_[c].derived) row[at++] = value;
    for (unsigned figure = 0; figure < kFigures; figure++) {
        if (is_by_class(figure)) row[at++] = classes_[c].counted[figure];
    }
    for (unsigned i = 1; i < kClassWords; i++) any = any || row[i] != 0;
    return any;
}

void Survey::total_row(std::uint64_t (&row)[kTotalWords]) const {
    unsigned at = 0;
    for (unsigned i = 0; i < columns::kDerived; i++, at++) {
        row[at] = 0;
        for (const ClassSum& sum : classes_) row[at] += sum.derived[i];
    }
    std::uint64_t figures[kFigures];
    for (unsigned figure = 0; figure < kFigures; figure++) {
        figures[figure] = is_by_class(figure) ? 0 : stats.get(static_cast<Figure>(figure));
        for (const ClassSum& sum : classes_) figures[figure] += sum.counted[figure];
    }
    figures[place(Figure::forwarded_below)] += forwarded_[0];
    figures[place(Figure::forwarded_above)] += forwarded_[1];
    figures[place(Figure::forwarded_aligned)] += forwarded_[2];
    row[at++] = figures[place(Figure::forwarded_below)] + figures[place(Figure::forwarded_above)] +
                figures[place(Figure::forwarded_aligned)] + figures[place(Figure::forwarded_exhausted)];
    row[at++] = region.metadata_bytes();
    row[at++] = region.size();
    row[at++] = heaps.count();
    row[at++] = tslab::epochs.current();
    for (const Timed call : {Timed::malloc, Timed::free}) {
        const Times times = latency.times(call);
        row[at++] = times.timed;
        for (const std::uint64_t ns : times.quantiles_ns) row[at++] = ns;
        row[at++] = times.max_ns;
    }
    for (const std::uint64_t value : figures) row[at++] = value;
}

void Survey::epoch_row(unsigned i, std::uint64_t (&row)[kEpochWords]) const {
    const EpochSum& sum = epochs_[i];
    EpochPast past{};
    const bool remembered = sum.epoch != 0 && tslab::epochs.recall(sum.epoch, past);
    unsigned at = 0;
    row[at++] = remembered ? past.epoch : sum.epoch;
    for (const Word word : past.label) row[at++] = word;
    row[at++] = past.open;
    row[at++] = past.age_ms / 1000;
    row[at++] = sum.live_objects;
    row[at++] = sum.live_bytes;
    row[at++] = sum.slabs;
    row[at++] = sum.resident_bytes;
    row[at++] = sum.reclaimable_bytes;
    row[at++] = past.opened;
    row[at++] = past.released;
    row[at++] = past.refilled;
}

}  // namespace tslab
