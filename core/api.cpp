#define TSLAB_LINKED
#include "core/include/temporal_slab.h"

#include <string.h>

#include "allocator.h"
#include "reclaim.h"

using namespace tslab;

namespace {

bool serving() { return phase() == Phase::active; }

int code(Refusal refusal) { return static_cast<int>(refusal); }
static_assert(static_cast<int>(Refusal::no_domain) == TSLAB_NO_DOMAIN);
static_assert(static_cast<int>(Refusal::other_thread) == TSLAB_OTHER_THREAD);
static_assert(static_cast<int>(Refusal::entered) == TSLAB_ENTERED);
static_assert(static_cast<int>(Refusal::not_innermost) == TSLAB_NOT_INNERMOST);
static_assert(static_cast<int>(Refusal::too_many) == TSLAB_TOO_MANY);
static_assert(kLabelBytes == TSLAB_LABEL_BYTES);

// What a domain's function answers, done with this thread's heap.
template <typename Function>
int with_heap(Function function) {
    Heap* const heap = serving() ? thread_heap() : nullptr;
    return heap != nullptr ? code(function(*heap)) : TSLAB_NOT_LOADED;
}

// Opens the process's next epoch; this thread holds nothing of the one before ready any more.
std::uint64_t advance() {
    const std::uint64_t epoch = epochs.advance();
    if (Heap* const heap = this_thread.heap) heap->renew();
    return epoch;
}

}  // namespace

TSLAB_EXPORT const char* tslab_version() { return TSLAB_VERSION; }

TSLAB_EXPORT int tslab_owns(const void* pointer) { return owns(pointer) && still_owns(pointer); }

TSLAB_EXPORT uint64_t tslab_epoch_current() { return serving() ? epochs.current() : 0; }

TSLAB_EXPORT uint64_t tslab_epoch_advance() { return serving() ? advance() : 0; }

TSLAB_EXPORT int64_t tslab_epoch_close(uint64_t epoch) {
    if (!serving()) return TSLAB_NOT_LOADED;
    if (!epochs.has_had(epoch)) return TSLAB_NO_EPOCH;
    if (epoch == epochs.current()) advance();
    return static_cast<int64_t>(reclaim.purge_epoch(static_cast<std::uint32_t>(epoch)));
}

TSLAB_EXPORT int tslab_epoch_label(uint64_t epoch, const char* text) {
    if (!serving()) return TSLAB_NOT_LOADED;
    return epochs.has_had(epoch) && epochs.label(epoch, text) ? TSLAB_OK : TSLAB_NO_EPOCH;
}

TSLAB_EXPORT int tslab_epoch_stats(uint64_t epoch, tslab_epoch_info* info) {
    if (!serving()) return TSLAB_NOT_LOADED;
    if (!epochs.has_had(epoch)) return TSLAB_NO_EPOCH;
    const EpochUse use = epochs.use(epoch);
    EpochPast past;
    if (!epochs.recall(epoch, past) && use.slabs == 0 && use.resident_bytes == 0) return TSLAB_NO_EPOCH;
    *info = {};
    info->epoch = epoch;
    info->live_objects = use.live_objects;
    info->live_bytes = use.live_bytes;
    info->slabs = use.slabs;
    info->resident_bytes = use.resident_bytes;
    info->reclaimable_bytes = use.reclaimable_bytes;
    info->state = past.open || domains.has_open(epoch) ? TSLAB_EPOCH_OPEN
                  : use.slabs != 0                     ? TSLAB_EPOCH_CLOSED
                                                       : TSLAB_EPOCH_DRAINED;
    info->era = past.era;
    info->age_ms = past.age_ms;
    info->closed_ms = past.closed_ms;
    info->slabs_opened = past.opened;
    info->slabs_released = past.released;
    info->slabs_refilled = past.refilled;
    memcpy(info->label, past.label, sizeof past.label);
    return TSLAB_OK;
}

TSLAB_EXPORT int tslab_domain_create(tslab_domain* domain) {
    return with_heap([domain](Heap& heap) { return domains.create(heap, *domain); });
}

TSLAB_EXPORT int tslab_domain_enter(tslab_domain domain) {
    return with_heap([domain](Heap& heap) { return domains.enter(heap, domain); });
}

TSLAB_EXPORT int tslab_domain_exit(tslab_domain domain) {
    return with_heap([domain](Heap& heap) { return domains.exit(heap, domain); });
}

TSLAB_EXPORT uint64_t tslab_domain_epoch(tslab_domain domain) {
    return serving() ? domains.epoch(domain) : 0;
}

TSLAB_EXPORT int64_t tslab_domain_close(tslab_domain domain) {
    std::size_t given_back = 0;
    const int error = with_heap([&](Heap& heap) { return domains.close(heap, domain, given_back); });
    return error != TSLAB_OK ? error : static_cast<int64_t>(given_back);
}

TSLAB_EXPORT int tslab_domain_destroy(tslab_domain domain) {
    return with_heap([domain](Heap& heap) { return domains.destroy(heap, domain); });
}
