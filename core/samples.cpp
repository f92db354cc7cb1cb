#include "samples.h"

#include "os.h"

namespace tslab {

constinit Samples samples;

namespace {

constexpr Word kMultiplier = 0x9e3779b97f4a7c15;
constexpr double kLn2 = 0.69314718055994530942;

// ln(value) for value >= 1, to about 1e-9: no libm in the library.
double log_of(std::uint64_t value) {
    const unsigned exponent = log2_floor(value);
    const double mantissa = static_cast<double>(value) / static_cast<double>(std::uint64_t{1} << exponent);
    const double z = (mantissa - 1) / (mantissa + 1);  // ln(m) == 2 (z + z³/3 + z⁵/5 + …), z <= 1/3
    double sum = 0;
    double power = z;
    for (unsigned i = 1; i < 19; i += 2, power *= z * z) sum += power / i;
    return exponent * kLn2 + 2 * sum;
}

// 1 − exp(−x), for x >= 0.
double one_less_exp(double x) {
    if (x > 40) return 1;
    if (x > 0.5) {
        const double half = one_less_exp(x / 2);
        return half * (2 - half);
    }
    double term = x;
    double sum = x;
    for (unsigned i = 2; i < 14; i++) {
        term *= -x / i;
        sum += term;
    }
    return sum;
}

Word hash_of(const std::uintptr_t* frames, unsigned depth) {
    Word hash = depth;
    for (unsigned i = 0; i < depth; i++) {
        hash = (hash ^ frames[i]) * kMultiplier;
        hash ^= hash >> 29;
    }
    return hash != 0 ? hash : 1;
}

}  // namespace

bool Samples::start(std::size_t rate) {
    const std::size_t site_bytes = kSites * sizeof(Site);
    const std::size_t bytes = site_bytes + kEntries * sizeof(Entry);
    void* const memory = os::reserve(bytes);
    if (memory == nullptr) return false;
    if (os::commit(memory, bytes) != 0) {
        os::unreserve(memory, bytes);
        return false;
    }
    os::avoid_huge_pages(memory, bytes);
    rate_ = rate;
    sites_ = static_cast<Site*>(memory);
    entries_ = reinterpret_cast<Entry*>(static_cast<std::byte*>(memory) + site_bytes);
    return true;
}

std::int64_t Samples::next_interval(std::uint64_t random) const {
    const double logarithm = 53 * kLn2 - log_of((random >> 11) + 1);  // −ln of a fraction in (0, 1]
    return static_cast<std::int64_t>(logarithm * static_cast<double>(rate_));
}

double Samples::weight(double bytes) const { return 1 / one_less_exp(bytes / static_cast<double>(rate_)); }

int Samples::find_site(const std::uintptr_t* frames, unsigned depth) {
    const Word hash = hash_of(frames, depth);
    for (unsigned i = 0; i < kProbes; i++) {
        const unsigned number = (static_cast<unsigned>(hash) + i) % kSites;
        Site& site = sites_[number];
        Word seen = site.hash.load(std::memory_order_relaxed);
        if (seen == 0 && site.hash.compare_exchange_strong(seen, hash, std::memory_order_relaxed))
            seen = hash;
        if (seen != hash) continue;
        if (site.depth.load(std::memory_order_relaxed) == 0) {
            for (unsigned k = 0; k < depth; k++) site.frames[k].set(frames[k]);
            site.depth.store(depth, std::memory_order_release);  // pairs with who reads the frames
        }
        return static_cast<int>(number);
    }
    return -1;
}

unsigned Samples::first_entry(std::uintptr_t pointer) {
    return static_cast<unsigned>((pointer >> 4) * kMultiplier >> 40) % kEntries;
}

bool Samples::add(const Sample& sample, const std::uintptr_t* frames, unsigned depth) {
    const int site = find_site(frames, depth);
    if (site < 0) return false;
    const auto pointer = reinterpret_cast<std::uintptr_t>(sample.pointer);
    remove(sample.pointer, sample.epoch);  // its last free went past us
    const unsigned first = first_entry(pointer);
    for (unsigned i = 0; i < kProbes; i++) {
        Entry& entry = entries_[(first + i) % kEntries];
        std::uintptr_t seen = entry.pointer.load(std::memory_order_relaxed);
        // Acquire pairs with remove: the last one has done with the fields.
        if (seen != 0 || !entry.pointer.compare_exchange_strong(seen, kClaimed, std::memory_order_acquire)) {
            continue;
        }
        entry.site.store(static_cast<std::uint32_t>(site),
                         std::memory_order_release);  // as all: pairs with get
        entry.bytes.store(static_cast<std::uint32_t>(sample.bytes), std::memory_order_release);
        entry.epoch.store(sample.epoch, std::memory_order_release);
        Site& at = sites_[site];
        at.made.fetch_add(1, std::memory_order_relaxed);
        at.made_bytes.fetch_add(sample.bytes, std::memory_order_relaxed);
        entry.pointer.store(pointer, std::memory_order_release);  // pairs with remove and get
        return true;
    }
    return false;
}

bool Samples::remove(const void* pointer, std::uint64_t epoch_now) {
    const auto key = reinterpret_cast<std::uintptr_t>(pointer);
    const unsigned first = first_entry(key);
    for (unsigned i = 0; i < kProbes; i++) {
        Entry& entry = entries_[(first + i) % kEntries];
        if (entry.pointer.load(std::memory_order_acquire) != key) continue;  // as all here: pairs with add
        const unsigned number = entry.site.load(std::memory_order_acquire);
        const std::uint64_t bytes = entry.bytes.load(std::memory_order_acquire);
        const std::uint64_t born = entry.epoch.load(std::memory_order_acquire);
        std::uintptr_t seen = key;
        // Two that free one object at once: the second finds it gone. Release pairs with the claim in add.
        if (!entry.pointer.compare_exchange_strong(seen, 0, std::memory_order_acq_rel)) return false;
        Site& site = sites_[number];
        // Release pairs with counts_of in profile.cpp: who sees the object freed sees it made.
        site.freed.fetch_add(1, std::memory_order_release);
        site.freed_bytes.fetch_add(bytes, std::memory_order_release);
        const std::uint64_t lived = epoch_now > born ? epoch_now - born : 0;
        site.lifetimes[lifetime_of(lived)].fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    return false;
}

bool Samples::get(unsigned i, Sample& sample) const {
    const Entry& entry = entries_[i];
    // Acquire, as all here: pairs with add.
    const std::uintptr_t pointer = entry.pointer.load(std::memory_order_acquire);
    if (pointer <= kClaimed) return false;
    sample = {reinterpret_cast<const void*>(pointer), entry.bytes.load(std::memory_order_acquire),
              entry.epoch.load(std::memory_order_acquire), entry.site.load(std::memory_order_acquire)};
    return entry.pointer.load(std::memory_order_relaxed) == pointer;
}

}  // namespace tslab
