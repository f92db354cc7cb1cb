#include <map>
#include <random>

#include "core/figures.h"
#include "support.h"

using namespace tslab;
using namespace tslab::test;

namespace {

Survey survey;

using Row = std::map<std::string, std::uint64_t>;

template <typename Columns>
Row named(const Columns& of, const std::uint64_t* words) {
    Row row;
    for (const Column& column : of) {
        row[column.name] = *words;
        words += column.kind == ColumnKind::text ? kLabelWords : 1;
    }
    return row;
}

struct Snapshot {
    Row total;
    std::map<std::uint64_t, Row> classes;
    std::vector<Row> epochs;

    // In pieces of so many steps.
    explicit Snapshot(unsigned steps) {
        survey.begin();
        while (!survey.advance(steps)) {
        }
        std::uint64_t words[kTotalWords];
        survey.total_row(words);
        total = named(columns::kTotals.of, words);
        std::uint64_t of_class[kClassWords];
        for (unsigned c = 0; c < kClasses; c++) {
            if (survey.class_row(c, of_class)) classes[class_size(c)] = named(columns::kClasses.of, of_class);
        }
        std::uint64_t of_epoch[kEpochWords];
        for (unsigned i = 0; i < survey.epochs(); i++) {
            survey.epoch_row(i, of_epoch);
            epochs.push_back(named(columns::kEpoch, of_epoch));
        }
    }

    void check_sums() const {
        for (const Column& column : columns::kClasses.of) {
            if (column.kind == ColumnKind::key) continue;
            std::uint64_t sum = 0;
            for (const auto& [size, row] : classes) sum += row.at(column.name);
            INFO(column.name);
            CHECK(sum == total.at(column.name));
        }
        for (const char* name :
             {"live_objects", "live_bytes", "slabs", "resident_bytes", "reclaimable_bytes"}) {
            std::uint64_t sum = 0;
            for (const Row& row : epochs) sum += row.at(name);
            INFO(name);
            CHECK(sum == total.at(name));
        }
        CHECK(total.at("forwarded") == total.at("forwarded_below") + total.at("forwarded_above") +
                                           total.at("forwarded_aligned") + total.at("forwarded_exhausted"));
        CHECK(total.at("slow_path_hits") == total.at("slow_system_calls") + total.at("slow_new_slabs") +
                                                total.at("slow_purged_slabs") + total.at("slow_locks"));
        CHECK(total.at("resident_bytes") == total.at("resident_pages") * region.page_bytes());
        CHECK(total.at("slow_path_hits") <= total.at("served") * 2);
    }
};

}  // namespace

TEST_CASE("figures add up, by class, by epoch and in all", "[figures]") {
    start_core();
    options.budget = {100};  // an epoch's slabs stay its own
    const Snapshot before(~0u);
    std::mt19937 random(7);
    std::vector<void*> live;
    std::uint64_t taken = 0;
    for (unsigned i = 0; i < 200000; i++) {
        if (i % 50000 == 49999) epochs.advance();
        if (live.empty() || random() % 5 < 3) {
            live.push_back(get(1 + random() % kMaxServed));
            taken++;
        } else {
            const std::size_t at = random() % live.size();
            put(live[at]);
            live[at] = live.back();
            live.pop_back();
        }
    }
    std::uint64_t bytes = 0;
    for (const void* slot : live) {
        const Place place = region.locate(slot);
        bytes += popcount(place.slab->joined(place.mask())) * class_size(place.size_class);
    }
    for (const unsigned steps : {1u, 100u, ~0u}) {
        const Snapshot now(steps);
        now.check_sums();
        CHECK(now.total.at("served") - before.total.at("served") == taken);
        CHECK(now.total.at("live_objects") - before.total.at("live_objects") == live.size());
        CHECK(now.total.at("live_bytes") - before.total.at("live_bytes") == bytes);
        CHECK(now.epochs.size() >= 4);
    }
    elsewhere([&] {
        for (void* slot : live) put(slot);
    });
    collect(1000);
    const Snapshot after(~0u);
    after.check_sums();
    CHECK(after.total.at("live_objects") == before.total.at("live_objects"));
    CHECK(after.total.at("remote_frees") - before.total.at("remote_frees") == live.size());
    reclaim.purge_now();
    const Snapshot purged(~0u);
    purged.check_sums();
    CHECK(purged.total.at("pages_purged") > after.total.at("pages_purged"));
    CHECK(purged.total.at("reclaimable_bytes") <= after.total.at("reclaimable_bytes"));
}

TEST_CASE("misuse and what is forwarded are counted where they belong", "[figures]") {
    start_core();
    const Snapshot before(~0u);
    void* const slot = get(100);
    put(slot);
    put(slot);
    count_forwarded(0, 0);
    count_forwarded(kMaxServed + 1, 0);
    count_forwarded(64, 4096);
    count_forwarded(64, 0);
    const Snapshot after(~0u);
    after.check_sums();
    // The slab's class: the slot may be joined from smaller ones.
    const std::size_t size = class_size(slab_of(slot).size_class.get());
    CHECK(after.classes.at(size).at("double_frees") == before.classes.at(size).at("double_frees") + 1);
    CHECK(after.total.at("forwarded_below") == before.total.at("forwarded_below") + 1);
    CHECK(after.total.at("forwarded_above") == before.total.at("forwarded_above") + 1);
    CHECK(after.total.at("forwarded_aligned") == before.total.at("forwarded_aligned") + 1);
    CHECK(after.total.at("forwarded") == before.total.at("forwarded") + 3);
}

TEST_CASE("more epochs than there are rows for are added up in one", "[figures]") {
    start_core();
    std::vector<void*> live;
    for (unsigned i = 0; i < 2 * kEpochRows; i++) {
        epochs.advance();
        for (unsigned k = 0; k < 40; k++) live.push_back(get(768));
    }
    const Snapshot now(~0u);
    now.check_sums();
    CHECK(now.epochs.size() <= kEpochRows);
    CHECK(now.epochs.at(0).at("epoch") == 0);
    put_all(live);
}

TEST_CASE("rows agree although other threads go on counting", "[figures]") {
    start_core();
    const unsigned c = class_of(256);
    put(get(256));
    survey.begin();
    survey.finish();
    std::uint64_t total[kTotalWords];
    std::uint64_t of_class[kClassWords];
    const auto counted = {Figure::lent, Figure::slow_locks, Figure::slabs_refilled};
    survey.total_row(total);
    for (const Figure figure : counted) stats.add_in(c, figure, 1);
    REQUIRE(survey.class_row(c, of_class));
    Row sum = named(columns::kClasses.of, of_class);
    for (unsigned other = 0; other < kClasses; other++) {
        if (other == c || !survey.class_row(other, of_class)) continue;
        for (const auto& [name, value] : named(columns::kClasses.of, of_class)) sum[name] += value;
    }
    Row all = named(columns::kTotals.of, total);
    for (const char* name : {"lent", "slow_locks", "slow_path_hits", "slabs_refilled"})
        CHECK(sum[name] == all[name]);
    for (const Figure figure : counted) stats.subtract_in(c, figure, 1);
}
