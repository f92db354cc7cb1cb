// Windows that the program opens and shuts by itself: a request, a frame, a transaction. While a thread is in
// one, it takes from bins that are the domain's own, so that what it allocates shares no slab with anything
// else. The slabs' owner stays the thread's heap; malloc and free know nothing of domains.
//
//   domain_bins(n).home == home_of(its epoch, n, its heap), 0 while there is no domain n
//   domains a thread is in: the one in force, its `outer`, and so on to 0, the process's epochs
#pragma once

#include "heap.h"

namespace tslab {

inline constexpr std::uint32_t kMostDomains = (1u << kDomainBits) - 1;
// A slab's home keeps the low 32 bits of an epoch's number: a domain's number is used for epochs that differ
// in them, and so only while domains have opened fewer than that since it was first used.
inline constexpr std::uint64_t kEpochsPerNumber = kOfDomain / 2;

// Names a domain as long as it lives; no other afterwards.
using DomainHandle = std::uint64_t;

enum class Refusal : int {
    none = 0,
    no_domain = -3,     // not, or no longer, a domain's handle
    other_thread = -4,  // another thread's domain
    entered = -5,       // the thread is in it
    not_innermost = -6,
    too_many = -7,  // domains
};

class Domains {
  public:
    // All by the heap's owner, for domains that it created.
    Refusal create(Heap& heap, DomainHandle& handle);
    Refusal enter(Heap& heap, DomainHandle handle);
    Refusal exit(Heap& heap, DomainHandle handle);
    // Ends its epoch and gives the empty pages back; takes time in proportion to the slabs. Entered again, it
    // has a new one, unless its number has none left.
    Refusal close(Heap& heap, DomainHandle handle, std::size_t& bytes_given_back);
    Refusal destroy(Heap& heap, DomainHandle handle);
    // 0 where there is no such domain. Any thread.
    std::uint64_t epoch(DomainHandle handle) const;
    // Whether it is a domain's epoch now; takes time in proportion to the domains. Any thread.
    bool has_open(std::uint64_t epoch) const;
    // The largest number that a domain has had.
    std::uint32_t made() const { return made_.load(std::memory_order_acquire); }  // pairs with create

    // The heap's thread ends: so do its domains.
    void end(Heap& heap);
    // In a forked child: those of threads that it does not have end too. Their numbers are not used again, as
    // their bins may have been copied half-changed.
    void begin_generation();

  private:
    struct Domain {
        Shared<HeapNumber> owner;      // who creates: 0 while there is no such domain
        Shared<std::uint32_t> next;    // in the pool: whoever pushed it
        Shared<std::uint32_t> serial;  // owner: of those that had this number
        std::uint32_t outer{};         // owner: the domain it was entered from
        std::uint32_t times{};         // owner: entered and not yet left
        Shared<std::uint64_t> epoch;   // owner
        std::uint64_t first_epoch{};   // owner: that the number was used for
    };

    Refusal find(Heap& heap, DomainHandle handle, std::uint32_t& number) const;
    static bool is_worn(const Domain& domain) {
        return nth_of(domain.epoch.get()) - nth_of(domain.first_epoch) >= kEpochsPerNumber;
    }
    void leave(Heap& heap, std::uint32_t number);
    void end_epoch(Heap& heap, std::uint32_t number, std::uint64_t next);
    void remove(Heap& heap, std::uint32_t number);

    std::atomic<std::uint32_t> made_{};  // any
    NumberStack unused_;                 // any
    Domain domains_[kMostDomains + 1]{};
};

TSLAB_INTERNAL extern constinit Domains domains;

}  // namespace tslab
