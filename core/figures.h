// A snapshot of all figures: those that are counted, and those that follow from the slabs and the heaps, by
// class, by epoch and in all. Taken block by block, so that a call of the program never has to do it whole;
// reads only, takes no lock, and may be interrupted by a signal whose handler takes another.
//
//   every figure known by class: total == the sum over the classes
//   live, slabs, resident, reclaimable: total == the sum over the epochs
//   forwarded == below + above + aligned + exhausted
//   slow_path_hits == system calls + new slabs + purged slabs + locks
#pragma once

#include "domain.h"
#include "latency.h"
#include "telemetry_format.h"

namespace tslab {

struct Column {
    ColumnKind kind;
    const char* name;
    const char* help;
};

// clang-format off
// Figures that are not in TSLAB_FIGURES, in the order of the rows, before those that are.
// kind, name, help
#define TSLAB_CLASS_COLUMNS(row) \
    row(counter, served, "requests served") \
    row(gauge, live_objects, "objects the program has") \
    row(gauge, live_bytes, "bytes of their slots") \
    row(gauge, slabs, "slabs in use") \
    row(gauge, resident_bytes, "bytes of pages that slabs have") \
    row(gauge, reclaimable_bytes, "of these, pages without a live or held slot") \
    row(counter, refills, "requests that did not find a slot on the thread's stack") \
    row(counter, slow_path_hits, "calls that took a lock, made a system call, or opened a purged or new slab")
#define TSLAB_TOTAL_COLUMNS(row) \
    row(counter, forwarded, "requests the next allocator had") \
    row(gauge, metadata_bytes, "bytes of the slabs' descriptors") \
    row(gauge, reserved_bytes, "bytes of address space reserved for slots") \
    row(gauge, heaps, "heaps, of threads that are and that were") \
    row(gauge, epoch, "number of the process's open epoch") \
    TSLAB_TIME_COLUMNS(row, malloc) \
    TSLAB_TIME_COLUMNS(row, free)
#define TSLAB_TIME_COLUMNS(row, call) \
    row(counter, call##_timed, "calls of " #call " that were timed, see TSLAB_LATENCY") \
    row(gauge, call##_p50_ns, "time that half of the timed calls of " #call " did not exceed") \
    row(gauge, call##_p90_ns, "time that 90 % of the timed calls of " #call " did not exceed") \
    row(gauge, call##_p99_ns, "time that 99 % of the timed calls of " #call " did not exceed") \
    row(gauge, call##_p99_9_ns, "time that 99.9 % of the timed calls of " #call " did not exceed") \
    row(gauge, call##_p99_99_ns, "time that 99.99 % of the timed calls of " #call " did not exceed") \
    row(gauge, call##_max_ns, "time of the slowest of the timed calls of " #call)
#define TSLAB_EPOCH_COLUMNS(row) \
    row(key, epoch, "number of the epoch; 0: those that have no row of their own") \
    row(text, label, "what the program called it") \
    row(gauge, open, "1 while the epoch is open") \
    row(gauge, age_seconds, "since it was opened") \
    row(gauge, live_objects, "objects in its slabs") \
    row(gauge, live_bytes, "bytes of their slots") \
    row(gauge, slabs, "slabs in use") \
    row(gauge, resident_bytes, "bytes of pages that its slabs have") \
    row(gauge, reclaimable_bytes, "of these, pages without a live or held slot") \
    row(counter, slabs_opened, "slabs opened in it") \
    row(counter, slabs_released, "of these, slabs that became empty") \
    row(counter, slabs_refilled, "of these, slabs that joined a later epoch")
// clang-format on

namespace columns {

#define TSLAB_COLUMN(kind, name, help) {ColumnKind::kind, #name, help},
inline constexpr Column kClassOnly[] = {TSLAB_CLASS_COLUMNS(TSLAB_COLUMN)};
inline constexpr Column kTotalOnly[] = {TSLAB_TOTAL_COLUMNS(TSLAB_COLUMN)};
inline constexpr Column kEpoch[] = {TSLAB_EPOCH_COLUMNS(TSLAB_COLUMN)};
#undef TSLAB_COLUMN

struct Counted {
    Column column;
    Scope scope;
};
inline constexpr Counted kCounted[] = {
#define TSLAB_COUNTED(kind, scope, name, help) {{ColumnKind::kind, #name, help}, Scope::scope},
    TSLAB_FIGURES(TSLAB_COUNTED)
#undef TSLAB_COUNTED
};

template <std::size_t count>
constexpr unsigned size_of(const Column (&)[count]) {
    return static_cast<unsigned>(count);
}
constexpr unsigned counted_by_class() {
    unsigned count = 0;
    for (const Counted& each : kCounted) count += each.scope == Scope::by_class;
    return count;
}

inline constexpr unsigned kDerived = size_of(kClassOnly);

template <unsigned count>
struct List {
    Column of[count]{};
    unsigned length = 0;
    constexpr void add(const Column& column) { of[length++] = column; }
};

constexpr auto classes() {
    List<1 + kDerived + counted_by_class()> list;
    list.add({ColumnKind::key, "class_bytes", "bytes of a slot of the class"});
    for (const Column& column : kClassOnly) list.add(column);
    for (const Counted& each : kCounted) {
        if (each.scope == Scope::by_class) list.add(each.column);
    }
    return list;
}
constexpr auto totals() {
    List<kDerived + size_of(kTotalOnly) + kFigures> list;
    for (const Column& column : kClassOnly) list.add(column);
    for (const Column& column : kTotalOnly) list.add(column);
    for (const Counted& each : kCounted) list.add(each.column);
    return list;
}

inline constexpr auto kClasses = classes();
inline constexpr auto kTotals = totals();

constexpr unsigned words_of(const Column& column) {
    return column.kind == ColumnKind::text ? kLabelWords : 1;
}

void there_is_no_such_column();  // nor such a function

// Where in a row the column of this name stands. A name that there is not does not compile.
template <std::size_t count>
consteval unsigned word_of(const Column (&of)[count], const char* name) {
    unsigned word = 0;
    for (const Column& column : of) {
        if (__builtin_strcmp(column.name, name) == 0) return word;
        word += words_of(column);
    }
    there_is_no_such_column();
    return word;
}

// Rows of which there are several are told apart by their first word.
static_assert(kClasses.of[0].kind == ColumnKind::key && kEpoch[0].kind == ColumnKind::key);

}  // namespace columns

inline constexpr unsigned kClassWords = columns::kClasses.length;
inline constexpr unsigned kTotalWords = columns::kTotals.length;
inline constexpr unsigned kEpochWords = columns::size_of(columns::kEpoch) - 1 + kLabelWords;
static_assert(kEpochWords == columns::word_of(columns::kEpoch, "slabs_refilled") + 1, "one text a row");
inline constexpr unsigned kEpochRows = 256;

class Survey {
  public:
    // From the beginning, whatever was under way.
    void begin();
    // Looks at this many blocks or bins more, about. True once all have been looked at.
    bool advance(unsigned steps);
    void finish() {
        while (!advance(~0u)) {
        }
    }

    // Once it is complete. Rows are written as the columns say. A class that was never used has none.
    bool class_row(std::size_t c, std::uint64_t (&row)[kClassWords]) const;
    void total_row(std::uint64_t (&row)[kTotalWords]) const;
    unsigned epochs() const { return epochs_in_use_; }
    // The process's come first, and of a kind the oldest.
    void epoch_row(unsigned i, std::uint64_t (&row)[kEpochWords]) const;

  private:
    struct ClassSum {
        std::uint64_t derived[columns::kDerived];
        std::uint64_t counted[kFigures];  // those that are known by class
    };
    struct EpochSum {
        std::uint32_t epoch;
        bool used;
        std::uint64_t live_objects;
        std::uint64_t live_bytes;
        std::uint64_t slabs;
        std::uint64_t resident_bytes;
        std::uint64_t reclaimable_bytes;
    };

    void add_heap(Heap& heap);
    void add_block(std::size_t c, const Slab& first);
    void add_counted();
    EpochSum& sum_of(std::uint32_t epoch);
    void sort_epochs();

    unsigned class_;
    std::uint32_t index_;
    HeapNumber heap_;
    unsigned domain_;
    unsigned epochs_in_use_;
    std::uint64_t forwarded_[3];
    ClassSum classes_[kClasses];
    EpochSum epochs_[kEpochRows];  // found by number, then sorted
};

}  // namespace tslab
