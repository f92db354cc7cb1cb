#include "epoch.h"

#include <string.h>

#include "options.h"
#include "os.h"

namespace tslab {

constinit Epochs epochs;

void Epochs::start() { current_.store(open_record(0, kOfProcess), std::memory_order_relaxed); }

std::uint64_t Epochs::open() { return open_record(current(), kOfDomain); }

std::uint64_t Epochs::open_record(std::uint64_t before, std::uint64_t kind) {
    EpochRow& row = row_of(kind);
    std::uint64_t epoch = 0;
    // A slab's home keeps the low half of the number, of which 0 is nobody's.
    do epoch = number_of_nth(row.drawn.fetch_add(1, std::memory_order_relaxed) + 1, kind);
    while (static_cast<std::uint32_t>(epoch) == 0);
    EpochRecord& record = row.records[epoch % kEpochRecords];
    record.epoch.store(0, std::memory_order_relaxed);
    record.before.set(before);
    record.era.set_release(kind == kOfDomain ? before : epoch);  // as all below: pairs with recall
    record.opened_ms.set_release(os::monotonic_ms());
    record.closed_ms.set_release(0);
    record.opened.store(0, std::memory_order_release);
    record.released.store(0, std::memory_order_release);
    record.refilled.store(0, std::memory_order_release);
    for (Shared<Word>& word : record.label) word.set_release(0);
    record.epoch.store(epoch, std::memory_order_release);  // pairs with record()
    return epoch;
}

std::uint64_t Epochs::advance() {
    std::uint64_t before = current();
    const std::uint64_t epoch = open_record(before, kOfProcess);
    // Release pairs with current().
    while (before < epoch && !current_.compare_exchange_weak(before, epoch, std::memory_order_release,
                                                             std::memory_order_relaxed)) {
    }
    clocked_.set(0);
    close(before < epoch ? before : epoch);
    stats.add(Figure::epochs_opened);
    judge(epoch);
    return epoch;
}

void Epochs::close(std::uint64_t epoch) {
    EpochRecord* const of = record(epoch);
    if (of != nullptr && of->closed_ms.get() == 0) of->closed_ms.set_release(os::monotonic_ms());
}

// The drain rate: of the slabs of an epoch, how many were empty by the time that two more epochs had passed.
void Epochs::judge(std::uint64_t newest) {
    const EpochRecord* of = record(newest);
    for (unsigned back = 0; back < 3 && of != nullptr; back++) of = record(of->before.get());
    if (of == nullptr) return;
    const std::uint32_t opened = of->opened.load(std::memory_order_relaxed);
    const std::uint32_t released = of->released.load(std::memory_order_relaxed);
    stats.add(Figure::slabs_judged, opened);
    stats.add(Figure::slabs_drained, released < opened ? released : opened);
}

std::size_t Epochs::length() const {
    if (options.epoch_bytes != 0) return options.epoch_bytes;
    const std::size_t resident = stats.get(Figure::resident_pages) * region.page_bytes();
    return kEpochFactor * resident > kLeastEpochBytes ? kEpochFactor * resident : kLeastEpochBytes;
}

EpochRecord* Epochs::record(std::uint64_t epoch) {
    EpochRecord& at = row_of(epoch).records[epoch % kEpochRecords];
    const std::uint64_t found = at.epoch.load(std::memory_order_acquire);  // pairs with open_record
    const bool is_its = found != 0 && static_cast<std::uint32_t>(found) == static_cast<std::uint32_t>(epoch);
    return is_its ? &at : nullptr;
}

bool Epochs::recall(std::uint64_t epoch, EpochPast& past) {
    past = {};
    const EpochRecord* const of = record(epoch);
    if (of == nullptr) return false;
    step(Step::record_found);
    past.epoch = of->epoch.load(std::memory_order_acquire);  // as all here: pairs with open_record
    past.era = of->era.get_acquire();
    const std::uint64_t opened_ms = of->opened_ms.get_acquire();
    const std::uint64_t closed_ms = of->closed_ms.get_acquire();
    const std::uint64_t now = os::monotonic_ms();  // not before it was closed
    past.age_ms = now - opened_ms;
    past.closed_ms = closed_ms != 0 ? now - closed_ms : 0;
    past.open = closed_ms == 0;
    past.opened = of->opened.load(std::memory_order_acquire);
    past.released = of->released.load(std::memory_order_acquire);
    past.refilled = of->refilled.load(std::memory_order_acquire);
    for (unsigned i = 0; i < kLabelWords; i++) past.label[i] = of->label[i].get_acquire();
    if (record(epoch) == of) return true;
    past = {};
    return false;
}

void Epochs::count(std::uint32_t epoch, Count which, unsigned slabs) {
    if (EpochRecord* const of = record(epoch)) (of->*which).fetch_add(slabs, std::memory_order_relaxed);
}

EpochUse Epochs::use(std::uint64_t epoch) const {
    EpochUse sum{};
    for (unsigned c = 0; c < kClasses; c++) {
        const unsigned count = region.slabs_per_block(c);
        for (std::uint32_t index = 0; index < region.opened(c); index += count) {
            const Slab& first = region.slab_at(c, index);
            const Home home = first.home.load(std::memory_order_relaxed);
            if (epoch_of(home) != static_cast<std::uint32_t>(epoch)) continue;
            sum.resident_bytes += popcount(first.resident.get()) * region.page_bytes();
            sum.reclaimable_bytes += popcount(region.empty_pages(first)) * region.page_bytes();
            if (heap_of(home) == 0) continue;
            sum.slabs += count;
            for (unsigned i = 0; i < count; i++) {
                const Word objects = (&first)[i].live_slots();
                sum.live_objects += popcount(objects);
                sum.live_bytes += popcount((&first)[i].joined(objects)) * class_size(c);
            }
        }
    }
    return sum;
}

bool Epochs::label(std::uint64_t epoch, const char* text) {
    EpochRecord* const of = record(epoch);
    if (of == nullptr) return false;
    Word words[kLabelWords]{};
    strncpy(reinterpret_cast<char*>(words), text, kLabelBytes - 1);
    for (unsigned i = 0; i < kLabelWords; i++) of->label[i].set(words[i]);
    return true;
}

}  // namespace tslab
