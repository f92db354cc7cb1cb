// Who keeps pages of closed epochs resident, as far as samples tell.
//
// A page is in use while any live slot lies on it; the rest of it is pinned. What is pinned on a page is
// shared out evenly among the objects on it, and a sampled object stands for weight(its bytes) of its kind:
//
//   pinned(site) == Σ over its live samples in closed epochs, over the pages p of each
//                   weight * (page − bytes of live slots on p) / live slots on p
//   alone(site)  == the same sum of weight * page, over pages with one live slot
//
// Summed over all sites and all that might have been sampled, `pinned` is what closed epochs keep resident
// beyond their live slots, so the estimate is right on average. Slots that a thread holds count as free.
#pragma once

#include "epoch.h"
#include "samples.h"

namespace tslab {

// Of one site, in estimated numbers of all its objects, not of samples.
struct Pinner {
    double pinned_bytes;
    double alone_bytes;
    double objects;  // live, in closed epochs
    double bytes;    // requested for them
    std::uint64_t oldest_epoch;
};

class Pinners {
  public:
    // Takes memory for the sites from the kernel, for as long as it lives.
    Pinners();
    ~Pinners();
    Pinners(const Pinners&) = delete;
    Pinners& operator=(const Pinners&) = delete;

    // Adds up; false where there is no memory.
    bool gather();
    const Pinner& of(unsigned site) const { return sites_[site]; }
    // The site that pins most of those that pin less than `site`, or most of all; -1 where there is none.
    // Sites that pin equally come in order of their numbers.
    int after(int site) const;

    unsigned used() const { return used_; }

  private:
    void add(const Sample& sample, const Place& place);

    Pinner* sites_ = nullptr;
    unsigned used_ = 0;  // samples that were added up
};

}  // namespace tslab
