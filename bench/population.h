// Objects of which only the number of live bytes is fixed: what dies is chosen at random, and what takes its
// place is of other sizes. The list of them is the driver's own memory, not the allocator's.
#pragma once

#include <algorithm>

#include "objects.h"

namespace bench {

struct Held {
    void* object;
    std::size_t size;
};

class Population {
  public:
    // Room for `most_bytes` of live objects, were all of them of `least_bytes`.
    explicit Population(std::size_t most_bytes, std::size_t least_bytes = least_size)
        : held_(most_bytes / least_bytes + 2) {}

    std::size_t live_bytes() const { return live_bytes_; }
    std::size_t count() const { return count_; }
    const Held& at(std::size_t i) { return held_[i]; }

    void add(Held held) {
        if (count_ == held_.count()) fail("a population has no more room");
        held_[count_++] = held;
        live_bytes_ += held.size;
    }
    void make_one(std::size_t size) { add({make(size), size}); }

    // Makes objects of the sizes that size() draws, until `bytes` live.
    template <class Size>
    void fill(std::size_t bytes, Size size) {
        while (live_bytes_ < bytes) make_one(size());
    }

    // Takes one out without freeing it; the others stay, in another order.
    Held take_random(Rng& rng) {
        Held& place = held_[rng.below(count_)];
        const Held taken = place;
        place = held_[--count_];
        live_bytes_ -= taken.size;
        return taken;
    }
    void drop_random(Rng& rng) { drop(take_random(rng).object); }

    // Frees random ones until no more than `bytes` live.
    void shrink(std::size_t bytes, Rng& rng) {
        while (live_bytes_ > bytes) drop_random(rng);
    }

    void shuffle(Rng& rng) {
        for (std::size_t i = count_; i > 1; --i) std::swap(held_[i - 1], held_[rng.below(i)]);
    }

    // In the order they have: those that keeps(held) keeps, which are its business from here on, are not
    // freed.
    template <class Keeps>
    void drop_but(Keeps keeps) {
        for (std::size_t i = 0; i < count_; ++i) {
            if (!keeps(held_[i])) drop(held_[i].object);
        }
        count_ = 0;
        live_bytes_ = 0;
    }
    void drop_all() {
        drop_but([](const Held&) { return false; });
    }

  private:
    Table<Held> held_;
    std::size_t count_ = 0;
    std::size_t live_bytes_ = 0;
};

}  // namespace bench
