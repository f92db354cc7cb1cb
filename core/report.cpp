#include "report.h"

#include <string.h>

#include "os.h"

namespace tslab {

namespace {

// One section's columns and one of its rows.
struct Row {
    const Column* columns;
    unsigned count;
    const std::uint64_t* words;

    // Calls each(column, its first word).
    template <typename Each>
    void walk(Each each) const {
        const std::uint64_t* at = words;
        for (unsigned i = 0; i < count; i++) {
            each(columns[i], at);
            at += columns[i].kind == ColumnKind::text ? kLabelWords : 1;
        }
    }
    const std::uint64_t* find(const char* name) const {
        const std::uint64_t* found = nullptr;
        walk([&](const Column& column, const std::uint64_t* at) {
            if (strcmp(column.name, name) == 0) found = at;
        });
        return found;
    }
};

// Calls each(row) for the rows of a section.
template <typename Each>
void each_total(const Survey& survey, Each each) {
    std::uint64_t words[kTotalWords];
    survey.total_row(words);
    each(Row{columns::kTotals.of, columns::kTotals.length, words});
}
template <typename Each>
void each_class(const Survey& survey, Each each) {
    std::uint64_t words[kClassWords];
    for (unsigned c = 0; c < kClasses; c++) {
        if (survey.class_row(c, words)) each(Row{columns::kClasses.of, columns::kClasses.length, words});
    }
}
template <typename Each>
void each_epoch(const Survey& survey, Each each) {
    std::uint64_t words[kEpochWords];
    for (unsigned i = 0; i < survey.epochs(); i++) {
        survey.epoch_row(i, words);
        each(Row{columns::kEpoch, columns::size_of(columns::kEpoch), words});
    }
}

const char* text_of(const std::uint64_t* words) { return reinterpret_cast<const char*>(words); }

void write_json_row(Output& output, const Row& row) {
    const char* separator = "{";
    row.walk([&](const Column& column, const std::uint64_t* at) {
        output.text(separator).text("\"").text(column.name).text("\":");
        if (column.kind == ColumnKind::text) {
            output.quoted(text_of(at), kLabelBytes);
        } else {
            output.number(*at);
        }
        separator = ",";
    });
    output.text("}");
}

// The columns of a table for people, and how wide each is.
struct Shown {
    const char* name;
    unsigned width;
};

template <unsigned count>
void write_names(Output& output, const Shown (&shown)[count]) {
    for (const Shown& each : shown) {
        output.text(" ");
        for (std::size_t i = strlen(each.name); i < each.width; i++) output.text(" ");
        output.text(each.name);
    }
    output.text("\n");
}

template <unsigned count>
void write_numbers(Output& output, const Shown (&shown)[count], const Row& row) {
    for (const Shown& each : shown) output.text(" ").padded(*row.find(each.name), each.width);
    output.text("\n");
}

// Prometheus's times are in seconds, ours in nanoseconds.
bool is_time(const Column& column) {
    const std::size_t length = strlen(column.name);
    return length > 3 && strcmp(column.name + length - 3, "_ns") == 0;
}

void write_metric(Output& output, const char* prefix, const Column& column) {
    output.text("tslab_").text(prefix);
    if (is_time(column)) {
        output.text(column.name, strlen(column.name) - 2).text("seconds");
    } else {
        output.text(column.name);
    }
    if (column.kind == ColumnKind::counter) output.text("_total");
}

void write_metric_head(Output& output, const char* prefix, const Column& column) {
    output.text("# HELP ");
    write_metric(output, prefix, column);
    output.text(" ").text(column.help).text("\n# TYPE ");
    write_metric(output, prefix, column);
    output.text(column.kind == ColumnKind::counter ? " counter\n" : " gauge\n");
}

void write_value(Output& output, const Column& column, std::uint64_t value) {
    if (!is_time(column)) {
        output.number(value);
        return;
    }
    output.number(value / 1000000000).text(".");
    for (std::uint64_t unit = 100000000; unit > 0; unit /= 10) output.number(value / unit % 10);
}

// All samples of a metric stand together, so each column walks the rows.
template <typename Rows>
void write_metrics(Output& output, const char* prefix, const char* key, const Column* columns, unsigned count,
                   Rows each_row) {
    for (unsigned i = 0; i < count; i++) {
        const Column& column = columns[i];
        if (column.kind != ColumnKind::counter && column.kind != ColumnKind::gauge) continue;
        write_metric_head(output, prefix, column);
        each_row([&](const Row& row) {
            write_metric(output, prefix, column);
            if (key != nullptr) {
                output.text("{").text(key).text("=\"").number(*row.find(key)).text("\"");
                const std::uint64_t* const label = row.find("label");
                if (label != nullptr) output.text(",label=").quoted(text_of(label), kLabelBytes);
                output.text("}");
            }
            output.text(" ");
            write_value(output, column, *row.find(column.name));
            output.text("\n");
        });
    }
}

bool stands_in_totals(const char* name) {
    for (const Column& column : columns::kTotals.of) {
        if (strcmp(column.name, name) == 0) return true;
    }
    return false;
}

// Every name that a line of CSV has a place for, the totals' first.
template <typename Each>
void each_csv_name(Each each) {
    for (const Column& column : columns::kTotals.of) each(column.name);
    for (const Column& column : columns::kEpoch) {
        if (!stands_in_totals(column.name)) each(column.name);
    }
}

void write_csv_row(Output& output, const char* scope, const char* key, const Row& row, const Reported& of) {
    output.number(of.wall_clock_ns / 1000000).text(",");
    output.number(static_cast<std::uint64_t>(os::process_id())).text(",").text(scope).text(",");
    if (key != nullptr) output.number(*row.find(key));
    each_csv_name([&](const char* name) {
        output.text(",");
        const std::uint64_t* const at = row.find(name);
        if (at == nullptr) return;
        if (strcmp(name, "label") == 0) {
            if (*at != 0) output.quoted(text_of(at), kLabelBytes);
        } else {
            output.number(*at);
        }
    });
    output.text("\n");
}

}  // namespace

void write_text(Output& output, const Survey& survey, const Reported& of) {
    output.text("temporal-slab ").text(TSLAB_VERSION).text(" in ").text(of.program).text("[");
    output.number(static_cast<std::uint64_t>(os::process_id())).text("]\n");
    each_total(survey, [&](const Row& row) {
        row.walk([&](const Column& column, const std::uint64_t* at) {
            output.padded(*at, 20).text("  ").padded(column.name, 20).text("  ").text(column.help).text("\n");
        });
    });
    constexpr Shown kOfClass[] = {{"class_bytes", 11},       {"served", 12},         {"live_objects", 12},
                                  {"live_bytes", 12},        {"slabs", 8},           {"resident_bytes", 14},
                                  {"reclaimable_bytes", 17}, {"slow_path_hits", 14}, {"remote_frees", 12}};
    output.text("\n");
    write_names(output, kOfClass);
    each_class(survey, [&](const Row& row) { write_numbers(output, kOfClass, row); });
    constexpr Shown kOfEpoch[] = {
        {"epoch", 11},      {"open", 4},  {"age_seconds", 11},    {"live_objects", 12},
        {"live_bytes", 12}, {"slabs", 8}, {"resident_bytes", 14}, {"reclaimable_bytes", 17}};
    output.text("\n");
    write_names(output, kOfEpoch);
    each_epoch(survey, [&](const Row& row) { write_numbers(output, kOfEpoch, row); });
}

void write_json(Output& output, const Survey& survey, const Reported& of) {
    output.text("{\"schema\":\"temporal-slab figures\",\"version\":").number(kJsonVersion);
    output.text(",\"library_version\":\"" TSLAB_VERSION "\",\"program\":")
        .quoted(of.program, ~std::size_t{0});
    output.text(",\"pid\":").number(static_cast<std::uint64_t>(os::process_id()));
    output.text(",\"time_ms\":").number(of.wall_clock_ns / 1000000);
    output.text(",\"page_bytes\":").number(region.page_bytes()).text(",\n\"totals\":");
    each_total(survey, [&](const Row& row) { write_json_row(output, row); });
    const char* separator = "\n";
    const auto write_row = [&](const Row& row) {
        output.text(separator);
        write_json_row(output, row);
        separator = ",\n";
    };
    output.text(",\n\"classes\":[");
    each_class(survey, write_row);
    separator = "\n";
    output.text("],\n\"epochs\":[");
    each_epoch(survey, write_row);
    output.text("]}\n");
}

void write_prometheus(Output& output, const Survey& survey, const Reported& of) {
    output.text(
        "# HELP tslab_process_info what the other metrics are about\n# TYPE tslab_process_info gauge\n");
    output.text("tslab_process_info{version=\"" TSLAB_VERSION "\",program=")
        .quoted(of.program, ~std::size_t{0});
    output.text(",pid=\"").number(static_cast<std::uint64_t>(os::process_id())).text("\"} 1\n");
    write_metrics(output, "", nullptr, columns::kTotals.of, columns::kTotals.length,
                  [&](auto each) { each_total(survey, each); });
    write_metrics(output, "class_", "class_bytes", columns::kClasses.of, columns::kClasses.length,
                  [&](auto each) { each_class(survey, each); });
    write_metrics(output, "epoch_", "epoch", columns::kEpoch, columns::size_of(columns::kEpoch),
                  [&](auto each) { each_epoch(survey, each); });
}

void write_csv_names(Output& output) {
    output.text("time_ms,pid,scope,key");
    each_csv_name([&](const char* name) { output.text(",").text(name); });
    output.text("\n");
}

void write_csv(Output& output, const Survey& survey, const Reported& of) {
    each_total(survey, [&](const Row& row) { write_csv_row(output, "total", nullptr, row, of); });
    each_class(survey, [&](const Row& row) { write_csv_row(output, "class", "class_bytes", row, of); });
    each_epoch(survey, [&](const Row& row) { write_csv_row(output, "epoch", "epoch", row, of); });
}

}  // namespace tslab
