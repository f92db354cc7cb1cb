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
            at += columns::words_of(columns[i]);
        }
    }
    bool has_key() const { return columns[0].kind == ColumnKind::key; }  // and it is the first word
    // Null where the section has no such column.
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

// A column of a table for people: where it stands in the row, and how wide it is shown.
struct Shown {
    const char* name;
    unsigned word;
    unsigned width;
};
template <std::size_t count>
consteval Shown shown(const Column (&of)[count], const char* name, unsigned width) {
    return {name, columns::word_of(of, name), width};
}

template <unsigned count>
void write_names(Output& output, const Shown (&columns)[count]) {
    for (const Shown& each : columns) {
        output.text(" ");
        for (std::size_t i = strlen(each.name); i < each.width; i++) output.text(" ");
        output.text(each.name);
    }
    output.text("\n");
}

template <unsigned count>
void write_numbers(Output& output, const Shown (&columns)[count], const Row& row) {
    for (const Shown& each : columns) output.text(" ").padded(row.words[each.word], each.width);
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
void write_metrics(Output& output, const char* prefix, const Column* columns, unsigned count, Rows each_row) {
    unsigned next_word = 0;
    for (unsigned i = 0; i < count; i++) {
        const Column& column = columns[i];
        const unsigned word = next_word;
        next_word += columns::words_of(column);
        if (column.kind != ColumnKind::counter && column.kind != ColumnKind::gauge) continue;
        write_metric_head(output, prefix, column);
        each_row([&](const Row& row) {
            write_metric(output, prefix, column);
            if (row.has_key()) {
                output.text("{").text(columns[0].name).text("=\"").number(row.words[0]).text("\"");
                const std::uint64_t* const label = row.find("label");
                if (label != nullptr) output.text(",label=").quoted(text_of(label), kLabelBytes);
                output.text("}");
            }
            output.text(" ");
            write_value(output, column, row.words[word]);
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

void write_csv_row(Output& output, const char* scope, const Row& row, const Reported& of) {
    output.number(of.wall_clock_ns / 1000000).text(",");
    output.number(static_cast<std::uint64_t>(os::process_id())).text(",").text(scope).text(",");
    if (row.has_key()) output.number(row.words[0]);
    each_csv_name([&](const char* name) {
        output.text(",");
        const std::uint64_t* const at = row.find(name);
        if (at == nullptr) return;
        if (strcmp(name, "label") == 0) {
            if (*at != 0) output.cell(text_of(at), kLabelBytes);
        } else {
            output.number(*at);
        }
    });
    output.text("\n");
}

bool is_of_timing(const Column& column) {
    const std::size_t length = strlen(column.name);
    return is_time(column) || (length > 6 && strcmp(column.name + length - 6, "_timed") == 0);
}

// A figure on each line; those of a call's times only where it was timed, as the first of them tells.
void write_totals(Output& output, const Row& row) {
    bool was_timed = false;
    row.walk([&](const Column& column, const std::uint64_t* at) {
        if (is_of_timing(column)) {
            if (!is_time(column)) was_timed = *at != 0;
            if (!was_timed) return;
        }
        output.padded(*at, 20).text("  ").padded(column.name, 20).text("  ").text(column.help).text("\n");
    });
}

}  // namespace

void write_text(Output& output, const Survey& survey, const Reported& of) {
    output.text("temporal-slab ").text(TSLAB_VERSION).text(" in ").text(of.program).text("[");
    output.number(static_cast<std::uint64_t>(os::process_id())).text("]\n");
    each_total(survey, [&](const Row& row) { write_totals(output, row); });
    constexpr const auto& of_class = columns::kClasses.of;
    constexpr Shown kOfClass[] = {shown(of_class, "class_bytes", 11),
                                  shown(of_class, "served", 12),
                                  shown(of_class, "live_objects", 12),
                                  shown(of_class, "live_bytes", 12),
                                  shown(of_class, "slabs", 8),
                                  shown(of_class, "resident_bytes", 14),
                                  shown(of_class, "reclaimable_bytes", 17),
                                  shown(of_class, "slow_path_hits", 14),
                                  shown(of_class, "remote_frees", 12)};
    output.text("\n");
    write_names(output, kOfClass);
    each_class(survey, [&](const Row& row) { write_numbers(output, kOfClass, row); });
    constexpr const auto& of_epoch = columns::kEpoch;
    constexpr Shown kOfEpoch[] = {
        shown(of_epoch, "epoch", 11),          shown(of_epoch, "open", 4),
        shown(of_epoch, "age_seconds", 11),    shown(of_epoch, "live_objects", 12),
        shown(of_epoch, "live_bytes", 12),     shown(of_epoch, "slabs", 8),
        shown(of_epoch, "resident_bytes", 14), shown(of_epoch, "reclaimable_bytes", 17)};
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
    write_metrics(output, "", columns::kTotals.of, columns::kTotals.length,
                  [&](auto each) { each_total(survey, each); });
    write_metrics(output, "class_", columns::kClasses.of, columns::kClasses.length,
                  [&](auto each) { each_class(survey, each); });
    write_metrics(output, "epoch_", columns::kEpoch, columns::size_of(columns::kEpoch),
                  [&](auto each) { each_epoch(survey, each); });
}

void write_csv_names(Output& output) {
    output.text("time_ms,pid,scope,key");
    each_csv_name([&](const char* name) { output.text(",").text(name); });
    output.text("\n");
}

void write_csv(Output& output, const Survey& survey, const Reported& of) {
    each_total(survey, [&](const Row& row) { write_csv_row(output, "total", row, of); });
    each_class(survey, [&](const Row& row) { write_csv_row(output, "class", row, of); });
    each_epoch(survey, [&](const Row& row) { write_csv_row(output, "epoch", row, of); });
}

}  // namespace tslab
