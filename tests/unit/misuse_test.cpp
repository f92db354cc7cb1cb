#include "core/misuse.h"

#include "faults.h"
#include "support.h"

using namespace tslab;
using namespace tslab::test;

namespace {

std::string lines_of(void (*work)(void*), void* slot) {
    std::string lines;
    captured_lines = &lines;
    work(slot);
    captured_lines = nullptr;
    return lines;
}

}  // namespace

TEST_CASE("each kind of misuse is counted always and reported once", "[misuse]") {
    start_core();
    auto* const slot = static_cast<std::byte*>(get(100));
    put(slot);
    char expected[64];
    std::snprintf(expected, sizeof expected, "temporal-slab: double free of %p ignored\n",
                  static_cast<void*>(slot));
    CHECK(lines_of(put, slot) == expected);
    CHECK(lines_of(put, slot).empty());
    CHECK(figure(Figure::double_frees) == 2);

    std::snprintf(expected, sizeof expected, "temporal-slab: invalid free of %p ignored\n",
                  static_cast<void*>(slot + 8));
    CHECK(lines_of(put, slot + 8) == expected);
    CHECK(lines_of(put, slot + 1).empty());
    CHECK(figure(Figure::invalid_frees) == 2);

    std::snprintf(expected, sizeof expected, "temporal-slab: realloc of freed %p ignored\n",
                  static_cast<void*>(slot));
    CHECK(lines_of([](void* at) { report_resize(at); }, slot) == expected);
    std::snprintf(expected, sizeof expected, "temporal-slab: invalid realloc of %p ignored\n",
                  static_cast<void*>(slot + 3));
    CHECK(lines_of([](void* at) { report_resize(at); }, slot + 3) == expected);
    CHECK(misuses_counted() == 6);
    CHECK(own_heap().is_valid());
}

TEST_CASE("a slot freed twice is handed out once", "[misuse]") {
    start_core();
    options.on_misuse = OnMisuse::ignore;
    for (const bool from_elsewhere : {false, true}) {
        for (std::size_t bytes = 16; bytes <= kMaxServed; bytes += 16) {
            void* const slot = get(bytes);
            put(slot);
            const auto before = figure(Figure::double_frees);
            if (from_elsewhere) {
                elsewhere([=] { put(slot); });
            } else {
                put(slot);
            }
            CHECK(figure(Figure::double_frees) == before + 1);
            void* const first = get(bytes);
            void* const second = get(bytes);
            CHECK(first != second);
            put(first);
            put(second);
        }
    }
    CHECK(own_heap().is_valid());
    CHECK(live_slots() == 0);
}

TEST_CASE("a slot freed twice by other threads is caught before and after it is collected", "[misuse]") {
    start_core();
    options.on_misuse = OnMisuse::ignore;
    void* const slot = get(300);
    elsewhere([=] { put(slot); });
    const auto before = figure(Figure::double_frees);
    elsewhere([=] { put(slot); });
    put(slot);
    CHECK(figure(Figure::double_frees) == before + 2);
    collect(100);
    elsewhere([=] { put(slot); });
    put(slot);
    CHECK(figure(Figure::double_frees) == before + 4);
    CHECK(own_heap().is_valid());
}

TEST_CASE("no pointer into the region makes free fault", "[misuse]") {
    start_core();
    options.on_misuse = OnMisuse::ignore;
    // Some of every class, since where none was opened nothing is looked at.
    std::map<void*, std::size_t> live;
    for (unsigned c = 0; c < kClasses; c++) live[get(class_size(c))] = class_size(c);
    std::byte* const base = region.base();
    const std::size_t part = region.size() / kClasses;
    const auto before = misuses_counted();
    std::uint64_t random = 88172645463325252;
    for (int i = 0; i < 200000;) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        // Every other one is near the start of a class's part, and where a slot might begin.
        const std::size_t offset = random % region.size();
        std::byte* const pointer =
            base + (i % 2 == 0 ? offset : offset / part * part + offset % (std::size_t{4} << 20) / 16 * 16);
        if (live.count(pointer) != 0) continue;
        put(pointer);
        i++;
    }
    CHECK(misuses_counted() == before + 200000);
    for (const auto& [slot, bytes] : live) {
        CHECK(usable_bytes(slot) == bytes);
        put(slot);
    }
    CHECK(own_heap().is_valid());
}
