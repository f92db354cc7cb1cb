#include "tools/formats.h"

#include <algorithm>
#include <chrono>
#include <cstdarg>
#include <cstdio>

#include "tools/figures.h"
#include "tools/json.h"

namespace tool {
namespace {

using tslab::ColumnKind;

std::string line(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string line(const char* format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return std::string(text, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof text - 1));
}

double seconds_since(std::uint64_t then_ns) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration<double>(now - std::chrono::nanoseconds(then_ns)).count();
}

bool has_key(const Table& table) {
    return std::any_of(table.columns.begin(), table.columns.end(),
                       [](const Column& column) { return column.kind == ColumnKind::key; });
}

std::string json_row(const Table& table, std::size_t row) {
    std::string text;
    for (const Column& column : table.columns) {
        text += text.empty() ? "{" : ",";
        text += quoted(column.name) + ":";
        text += column.kind == ColumnKind::text ? quoted(table.text(row, column))
                                                : std::to_string(table.number(row, column));
    }
    return text + "}";
}

// Columns as wide as their widest cell, numbers to the right.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); i++) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string text;
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); i++)
            text += std::string(widths[i] - row[i].size() + (i > 0 ? 2 : 0), ' ') + row[i];
        text += "\n";
    }
    return text;
}

bool counts_bytes(const std::string& name) { return name.ends_with("bytes"); }

std::string cell_text(const Table& table, std::size_t row, const Column& column) {
    if (column.kind == ColumnKind::text) return printable(table.text(row, column));
    const std::uint64_t number = table.number(row, column);
    return counts_bytes(column.name) && column.kind != ColumnKind::key ? bytes_text(number)
                                                                       : std::to_string(number);
}

// Every figure of the one row that is not 0, each on a line with what it means.
std::string totals_text(const Table& table) {
    std::string text;
    for (const Column& column : table.columns) {
        if (column.kind != ColumnKind::text && table.number(0, column) == 0) continue;
        text += line("%12s  %-24s %s\n", cell_text(table, 0, column).c_str(), column.name.c_str(),
                     column.help.c_str());
    }
    return text;
}

// A row of the table on a line, without the columns that are 0 throughout.
std::string rows_text(const Table& table) {
    std::vector<std::vector<std::string>> lines(table.rows() + 1);
    for (const Column& column : table.columns) {
        bool empty = column.kind != ColumnKind::key;
        for (std::size_t row = 0; row < table.rows() && empty; row++)
            empty = column.kind != ColumnKind::text && table.number(row, column) == 0;
        if (empty) continue;
        lines[0].push_back(column.name);
        for (std::size_t row = 0; row < table.rows(); row++)
            lines[row + 1].push_back(cell_text(table, row, column));
    }
    return aligned(lines);
}

std::string escaped_label(std::string_view value) {
    std::string text;
    while (!value.empty()) {
        const std::string_view character = take_character(value);
        if (character == "\n") {
            text += "\\n";
            continue;
        }
        if (character == "\"" || character == "\\") text += '\\';
        text += character;
    }
    return text;
}

// The key of one row, and what the program called it; nothing where its table has no key.
std::string labels_of(const Table& table, std::size_t row) {
    std::string text;
    for (const Column& column : table.columns) {
        if (column.kind != ColumnKind::key && column.kind != ColumnKind::text) continue;
        const std::string value = column.kind == ColumnKind::key ? std::to_string(table.number(row, column))
                                                                 : escaped_label(table.text(row, column));
        text += (text.empty() ? "{" : ",") + column.name + "=\"" + value + "\"";
    }
    return text.empty() ? text : text + "}";
}

// Prometheus's times are in seconds, ours in nanoseconds.
bool is_time(const Column& column) { return column.name.ends_with("_ns"); }

std::string metric_value(const Column& column, std::uint64_t value) {
    return is_time(column) ? line("%.9f", static_cast<double>(value) / 1e9) : std::to_string(value);
}

// tslab_live_bytes, tslab_class_live_bytes, tslab_epoch_live_bytes; a counter ends in _total.
std::string metric_name(const Table& table, const Column& column) {
    std::string part = has_key(table) ? table.name : "";
    for (const char* plural : {"es", "s"}) {
        const std::string ending = plural;
        if (!part.ends_with(ending) || (ending == "es" && !part.ends_with("sses"))) continue;
        part.resize(part.size() - ending.size());
        break;
    }
    std::string name = "tslab_" + (part.empty() ? "" : part + "_") + column.name;
    if (is_time(column)) name.replace(name.size() - 2, 2, "seconds");
    if (column.kind == ColumnKind::counter) name += "_total";
    return name;
}

}  // namespace

std::string text_of(const Telemetry& telemetry, const Snapshot& snapshot) {
    const Figures figures = figures_of(snapshot);
    std::string text =
        line("%s[%d], library %s, figures %.1f s old\n", printable(telemetry.program()).c_str(),
             telemetry.pid(), telemetry.library_version().c_str(), seconds_since(snapshot.published_ns));
    text += line("resident %s for %s live; slow-path share %s\n", bytes_text(figures.resident_bytes).c_str(),
                 bytes_text(figures.live_bytes).c_str(), percent_text(figures.slow_path_share()).c_str());
    for (const Table& table : snapshot.tables) {
        if (table.rows() == 0) continue;
        text += "\n" + table.name + "\n";
        text += has_key(table) ? rows_text(table) : totals_text(table);
    }
    return text;
}

std::string prometheus_of(const Telemetry& telemetry, const Snapshot& snapshot) {
    std::string text =
        "# HELP tslab_process_info what the other metrics are about\n# TYPE tslab_process_info gauge\n";
    text += "tslab_process_info{version=\"" + escaped_label(telemetry.library_version()) + "\",program=\"" +
            escaped_label(telemetry.program()) + "\",pid=\"" + std::to_string(telemetry.pid()) + "\"} 1\n";
    for (const Table& table : snapshot.tables) {
        for (const Column& column : table.columns) {
            const bool sampled = column.kind == ColumnKind::counter || column.kind == ColumnKind::gauge;
            if (!sampled || table.rows() == 0) continue;
            const std::string name = metric_name(table, column);
            text += "# HELP " + name + " " + column.help + "\n# TYPE " + name + " ";
            text += column.kind == ColumnKind::counter ? "counter\n" : "gauge\n";
            for (std::size_t row = 0; row < table.rows(); row++)
                text += name + labels_of(table, row) + " " + metric_value(column, table.number(row, column)) +
                        "\n";
        }
    }
    return text;
}

std::string json_of(const Telemetry& telemetry, const Snapshot& snapshot) {
    std::string text = "{\"schema\":\"temporal-slab figures\",\"version\":" + std::to_string(kJsonVersion);
    text += ",\"library_version\":" + quoted(telemetry.library_version());
    text += ",\"program\":" + quoted(telemetry.program()) + ",\"pid\":" + std::to_string(telemetry.pid());
    text += ",\"time_ms\":" + std::to_string(snapshot.published_ns / 1'000'000);
    text += ",\"page_bytes\":" + std::to_string(telemetry.page_bytes());
    for (const Table& table : snapshot.tables) {
        text += ",\n" + quoted(table.name) + ":";
        if (!has_key(table) && table.rows() == 1) {
            text += json_row(table, 0);
            continue;
        }
        text += "[";
        for (std::size_t row = 0; row < table.rows(); row++)
            text += (row == 0 ? "" : ",\n ") + json_row(table, row);
        text += "]";
    }
    return text + "}\n";
}

}  // namespace tool
