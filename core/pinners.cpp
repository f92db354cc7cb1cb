#include "pinners.h"

#include "heap.h"
#include "os.h"

namespace tslab {

namespace {

constexpr std::size_t kBytes = Samples::kSites * sizeof(Pinner);

// Of an object its own epoch counts, not its slab's: a later epoch may have filled the slab up. An epoch of a
// domain is open as long as the domain's bins are of it.
bool is_closed(const Sample& sample, const Slab& slab) {
    const Home home = slab.unmarked_home();
    if (domain_of(home) != 0 && domain_bins(domain_of(home)).home.get() == home) return false;
    return sample.epoch != epochs.current();
}

struct Page {
    unsigned objects = 0;
    std::size_t bytes = 0;  // of them, on the page
};

// What lives on a page of a block.
Page look_at(const Slab& first, std::size_t c, unsigned number) {
    Page page;
    const unsigned slabs = region.slabs_per_block(c);
    const std::size_t from = slabs > 1 ? 0 : number * region.page_bytes();
    const std::size_t to = slabs > 1 ? class_span(c) : from + region.page_bytes();
    const Word on_page = region.slots_on(c, 1u << number);
    for (unsigned i = 0; i < slabs; i++) {
        for (Word left = (&first)[i].live_slots(); left != 0; left &= left - 1) {
            const Word slots = (&first)[i].joined(bit(lowest(left)));
            if ((slots & on_page) == 0) continue;
            const std::size_t start = lowest(left) * class_size(c);
            const std::size_t end = start + popcount(slots) * class_size(c);
            page.objects++;
            page.bytes += (end < to ? end : to) - (start > from ? start : from);
        }
    }
    return page;
}

}  // namespace

Pinners::Pinners() {
    void* const memory = os::reserve(kBytes);
    if (memory != nullptr && os::commit(memory, kBytes) == 0) {
        sites_ = static_cast<Pinner*>(memory);
    } else if (memory != nullptr) {
        os::unreserve(memory, kBytes);
    }
}

Pinners::~Pinners() {
    if (sites_ != nullptr) os::unreserve(sites_, kBytes);
}

bool Pinners::gather() {
    if (sites_ == nullptr) return false;
    for (unsigned i = 0; i < Samples::kEntries; i++) {
        Sample sample{};
        if (!samples.get(i, sample) || !region.owns(sample.pointer)) continue;
        const Place place = region.locate(sample.pointer);
        if (!place.exact || !place.slab->is_live(place.slot)) continue;
        if (!is_closed(sample, *place.slab)) continue;
        add(sample, place);
    }
    return true;
}

void Pinners::add(const Sample& sample, const Place& place) {
    const std::size_t c = place.size_class;
    const Slab& first = region.first_of_block(*place.slab);
    const double weight = samples.weight(static_cast<double>(sample.bytes));
    const auto page_bytes = static_cast<double>(region.page_bytes());
    Pinner& site = sites_[sample.site];
    for (unsigned pages = region.pages_under(c, place.slab->joined(place.mask())); pages != 0;
         pages &= pages - 1) {
        const Page page = look_at(first, c, lowest(pages));
        if (page.objects == 0) continue;  // freed meanwhile
        const double unused = page_bytes - static_cast<double>(page.bytes);
        site.pinned_bytes += weight * unused / page.objects;
        if (page.objects == 1) site.alone_bytes += weight * page_bytes;
    }
    if (site.objects == 0 || sample.epoch < site.oldest_epoch) site.oldest_epoch = sample.epoch;
    site.objects += weight;
    site.bytes += weight * static_cast<double>(sample.bytes);
    used_++;
}

int Pinners::after(int site) const {
    int best = -1;
    for (int i = 0; i < static_cast<int>(Samples::kSites); i++) {
        const double pinned = sites_[i].pinned_bytes;
        if (sites_[i].objects == 0) continue;
        if (site >= 0) {
            const double bound = sites_[site].pinned_bytes;
            if (pinned > bound || (pinned == bound && i <= site)) continue;
        }
        if (best < 0 || pinned > sites_[best].pinned_bytes) best = i;
    }
    return best;
}

}  // namespace tslab
