// The table of size classes: the only place that knows which sizes there are and how a slab of each is cut.
//
//   size(c) % 16 == 0                     a slot is aligned as malloc must be
//   span(c) is a power of two             a slot keeps the natural alignment of its size
//   slots(c) == span(c) / size(c) <= 64   one bit per slot
//   span(c) >= 32 * size(c)               a slab loses under 1/32 of itself to its tail
#pragma once

#include "base.h"

namespace tslab {

inline constexpr unsigned kClasses = 32;
inline constexpr std::size_t kMinServed = 64;   // by default; the classes below are opt-in
inline constexpr std::size_t kMaxServed = 768;  // the largest class

// Steps of 16 up to 256, of 32 above.
constexpr std::size_t class_size(std::size_t c) { return c < 16 ? 16 * (c + 1) : 256 + 32 * (c - 15); }

constexpr unsigned class_of(std::size_t bytes) {
    if (bytes <= 16) return 0;
    return static_cast<unsigned>(bytes <= 256 ? (bytes - 1) / 16 : 15 + (bytes - 256 + 31) / 32);
}

// What follows from a class's size, worked out beforehand: a division costs more than the rest of a free.
struct ClassCut {
    // t = offset * inverse, with offset < span: the high half of t is offset / size, and the low half is
    // below inverse exactly when the division leaves nothing.
    std::uint32_t inverse;
    std::uint8_t span_shift;
    std::uint8_t slots;
};
inline constexpr struct ClassCuts {
    ClassCut of[kClasses];
    constexpr ClassCuts() : of{} {
        for (std::size_t c = 0; c < kClasses; c++) {
            const std::size_t size = class_size(c);
            const unsigned shift = log2_floor(64 * size);
            const std::size_t slots = (std::size_t{1} << shift) / size;
            of[c] = {static_cast<std::uint32_t>((Word{1} << 32) / size + 1), static_cast<std::uint8_t>(shift),
                     static_cast<std::uint8_t>(slots)};
        }
    }
} class_cuts;

constexpr std::uint32_t class_inverse(std::size_t c) { return class_cuts.of[c].inverse; }
constexpr unsigned span_shift(std::size_t c) { return class_cuts.of[c].span_shift; }
constexpr std::size_t class_span(std::size_t c) { return std::size_t{1} << span_shift(c); }
constexpr unsigned class_slots(std::size_t c) { return class_cuts.of[c].slots; }
constexpr Word class_mask(std::size_t c) { return low_bits(class_slots(c)); }

// A slab with this many free slots is sparse.
constexpr unsigned sparse_at(std::size_t c) { return class_slots(c) / 4; }

// So many free slots of class s serve as one of class c; 0 where they do not. Adjacent smaller ones are
// joined, where they are few and lose little. A larger one is lent where a third of it is lost at most: it
// may be a long-lived object that has it.
inline constexpr unsigned kMostJoined = 8;
constexpr unsigned slots_to_borrow(std::size_t s, std::size_t c) {
    if (s >= c) return s > c && 2 * class_size(s) <= 3 * class_size(c) ? 1 : 0;
    const std::size_t count = (class_size(c) + class_size(s) - 1) / class_size(s);
    const bool loses_little = count * class_size(s) * 8 <= class_size(c) * 9;
    return count <= kMostJoined && loses_little ? static_cast<unsigned>(count) : 0;
}
// The classes, a bit for each, of which slots can serve class c.
inline constexpr struct Lenders {
    std::uint32_t of[kClasses];
    constexpr Lenders() : of{} {
        for (unsigned c = 0; c < kClasses; c++) {
            for (unsigned s = 0; s < kClasses; s++) of[c] |= std::uint32_t{slots_to_borrow(s, c) != 0} << s;
        }
    }
} lenders_to;
// The slots of class s that have the natural alignment of class c.
constexpr Word slots_aligned_for(std::size_t s, std::size_t c) {
    const std::size_t has = class_size(s) & (0 - class_size(s));
    const std::size_t wanted = class_size(c) & (0 - class_size(c));
    return wanted <= has ? ~Word{0} : ~Word{0} / low_bits(static_cast<unsigned>(wanted / has));
}

// The slots of which any byte lies in [from, to) of a slab.
constexpr Word slots_between(std::size_t c, std::size_t from, std::size_t to) {
    const std::size_t first = from / class_size(c);
    const std::size_t end = (to + class_size(c) - 1) / class_size(c);
    return low_bits(static_cast<unsigned>(end)) & ~low_bits(static_cast<unsigned>(first)) & class_mask(c);
}

constexpr bool size_classes_are_valid() {
    for (unsigned c = 0; c < kClasses; c++) {
        const std::size_t size = class_size(c);
        if (size % 16 != 0 || class_of(size) != c || class_of(size - 15) != c) return false;
        if (class_slots(c) > 64 || class_span(c) < 32 * size) return false;
        for (std::size_t offset = 0; offset < class_span(c); offset++) {
            const Word t = offset * class_inverse(c);
            if ((t >> 32) != offset / size) return false;
            if ((static_cast<std::uint32_t>(t) < class_inverse(c)) != (offset % size == 0)) return false;
        }
    }
    return class_size(kClasses - 1) == kMaxServed;
}

}  // namespace tslab
