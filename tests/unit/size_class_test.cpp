#include "support.h"

using namespace tslab;

TEST_CASE("the table of size classes keeps its promises", "[size_class]") {
    CHECK(size_classes_are_valid());
    for (unsigned c = 0; c + 1 < kClasses; c++) CHECK(class_size(c) < class_size(c + 1));
    for (std::size_t bytes = 1; bytes <= kMaxServed; bytes++) {
        const unsigned c = class_of(bytes);
        CHECK(class_size(c) >= bytes);
        CHECK((c == 0 || class_size(c - 1) < bytes));
        CHECK(sizes.bin_offset[(bytes + 15) / 16] == c * sizeof(Bin));
        CHECK(sizes.slot_bytes[(bytes + 15) / 16] == class_size(c));
    }
}

TEST_CASE("rounding wastes what the steps promise", "[size_class]") {
    double requested = 0;
    double given = 0;
    for (std::size_t bytes = kMinServed; bytes <= kMaxServed; bytes++) {
        requested += static_cast<double>(bytes);
        given += static_cast<double>(class_size(class_of(bytes)));
    }
    CHECK(given / requested < 1.033);
}

TEST_CASE("slots_between names the slots with a byte in the range", "[size_class]") {
    for (unsigned c = 0; c < kClasses; c++) {
        for (std::size_t from = 0; from < class_span(c); from += 1024) {
            Word expected = 0;
            for (unsigned slot = 0; slot < class_slots(c); slot++) {
                const std::size_t start = slot * class_size(c);
                if (start < from + 1024 && start + class_size(c) > from) expected |= bit(slot);
            }
            CHECK(slots_between(c, from, from + 1024) == expected);
        }
    }
}

TEST_CASE("bit counting", "[size_class]") {
    Word word = 0x9e3779b97f4a7c15;
    for (int i = 0; i < 1000; i++) {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        CHECK(popcount(word) == static_cast<unsigned>(__builtin_popcountll(word)));
    }
    CHECK(popcount(0) == 0);
    CHECK(popcount(~Word{0}) == 64);
    CHECK(low_bits(64) == ~Word{0});
    CHECK(low_bits(0) == 0);
}
