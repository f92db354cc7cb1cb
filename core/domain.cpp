#include "domain.h"

#include "reclaim.h"

namespace tslab {

constinit Domains domains;

namespace {

constexpr DomainHandle handle_of(std::uint32_t serial, std::uint32_t number) {
    return std::uint64_t{serial} << kDomainBits | number;
}
constexpr std::uint32_t number_of(DomainHandle handle) { return handle & kMostDomains; }

std::uint32_t in_force(const Heap& heap) { return domain_of(heap.in_force().home.get()); }

}  // namespace

Refusal Domains::create(Heap& heap, DomainHandle& handle) {
    std::uint32_t number =
        unused_.pop([this](std::uint32_t n) -> Shared<std::uint32_t>& { return domains_[n].next; });
    if (number == 0) {
        number = made_.load(std::memory_order_relaxed);
        do {
            if (number == kMostDomains || !region.reach_domains((number + 1) * sizeof(Bins)))
                return Refusal::too_many;
            // Release pairs with made(): who sees the number may read the bins.
        } while (!made_.compare_exchange_weak(number, number + 1, std::memory_order_release,
                                              std::memory_order_relaxed));
        number++;
    }
    Domain& domain = domains_[number];
    domain.serial.set(domain.serial.get() + 1);
    domain.times = 0;
    domain.epoch.set(epochs.open());
    if (domain.first_epoch == 0) domain.first_epoch = domain.epoch.get();
    domain_bins(number).home.set(home_of(domain.epoch.get(), number, heap.number()));
    domain.owner.set(heap.number());
    handle = handle_of(domain.serial.get(), number);
    return Refusal::none;
}

Refusal Domains::find(Heap& heap, DomainHandle handle, std::uint32_t& number) const {
    number = number_of(handle);
    const Domain& domain = domains_[number];
    const HeapNumber owner = domain.owner.get();
    if (owner == 0 || handle != handle_of(domain.serial.get(), number)) return Refusal::no_domain;
    return owner == heap.number() ? Refusal::none : Refusal::other_thread;
}

Refusal Domains::enter(Heap& heap, DomainHandle handle) {
    std::uint32_t number;
    if (const Refusal refusal = find(heap, handle, number); refusal != Refusal::none) return refusal;
    Domain& domain = domains_[number];
    const std::uint32_t outer = in_force(heap);
    if (outer != number) {
        if (domain.times != 0) return Refusal::entered;
        domain.outer = outer;
        heap.put_in_force(domain_bins(number));
    }
    domain.times++;
    return Refusal::none;
}

Refusal Domains::exit(Heap& heap, DomainHandle handle) {
    std::uint32_t number;
    if (const Refusal refusal = find(heap, handle, number); refusal != Refusal::none) return refusal;
    if (in_force(heap) != number) return Refusal::not_innermost;
    if (--domains_[number].times == 0) leave(heap, number);
    return Refusal::none;
}

void Domains::leave(Heap& heap, std::uint32_t number) {
    const std::uint32_t outer = domains_[number].outer;
    if (outer != 0) return heap.put_in_force(domain_bins(outer));
    heap.begin();
}

// The domain's slabs join the closed epochs. `next` is its next epoch, 0 for none.
void Domains::end_epoch(Heap& heap, std::uint32_t number, std::uint64_t next) {
    Domain& domain = domains_[number];
    Bins& bins = domain_bins(number);
    heap.empty(bins);
    bins.home.set(next != 0 ? home_of(next, number, heap.number()) : 0);
    heap.close_listed(bins);
    epochs.close(domain.epoch.get());
    domain.epoch.set(next);
}

Refusal Domains::close(Heap& heap, DomainHandle handle, std::size_t& bytes_given_back) {
    std::uint32_t number;
    if (const Refusal refusal = find(heap, handle, number); refusal != Refusal::none) return refusal;
    if (domains_[number].times != 0) return Refusal::entered;
    const std::uint64_t ended = domains_[number].epoch.get();
    if (!is_worn(domains_[number])) end_epoch(heap, number, epochs.open());
    bytes_given_back = reclaim.purge_epoch(static_cast<std::uint32_t>(ended));
    return Refusal::none;
}

Refusal Domains::destroy(Heap& heap, DomainHandle handle) {
    std::uint32_t number;
    if (const Refusal refusal = find(heap, handle, number); refusal != Refusal::none) return refusal;
    if (domains_[number].times != 0) return Refusal::entered;
    remove(heap, number);
    return Refusal::none;
}

void Domains::remove(Heap& heap, std::uint32_t number) {
    const bool worn = is_worn(domains_[number]);
    end_epoch(heap, number, 0);
    domains_[number].owner.set(0);
    if (worn) return;
    unused_.push(number, [this](std::uint32_t n) -> Shared<std::uint32_t>& { return domains_[n].next; });
}

std::uint64_t Domains::epoch(DomainHandle handle) const {
    const Domain& domain = domains_[number_of(handle)];
    const bool is_its =
        domain.owner.get() != 0 && handle == handle_of(domain.serial.get(), number_of(handle));
    return is_its ? domain.epoch.get() : 0;
}

bool Domains::has_open(std::uint64_t epoch) const {
    for (std::uint32_t number = made(); number > 0; number--) {
        if (domains_[number].owner.get() != 0 && domains_[number].epoch.get() == epoch) return true;
    }
    return false;
}

void Domains::end(Heap& heap) {
    if (in_force(heap) != 0) heap.begin();
    for (std::uint32_t number = made_.load(std::memory_order_relaxed); number > 0; number--) {
        if (domains_[number].owner.get() == heap.number()) remove(heap, number);
    }
}

void Domains::begin_generation() {
    for (std::uint32_t number = made_.load(std::memory_order_relaxed); number > 0; number--) {
        Domain& domain = domains_[number];
        if (domain.owner.get() == 0 || !heaps.is_void(domain.owner.get())) continue;
        epochs.close(domain.epoch.get());
        domain.owner.set(0);
    }
}

}  // namespace tslab
