#include "tools/csv.h"

#include <algorithm>
#include <sstream>

#include "tools/command.h"

namespace tool {
namespace {

// RFC 4180, of one line: a quoted cell may hold commas, and quotes written twice.
std::vector<std::string> cells_of(const std::string& line) {
    std::vector<std::string> cells(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); i++) {
        const char c = line[i];
        const bool escapes = quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"';
        if (escapes) {
            cells.back() += line[++i];
        } else if (c == '"') {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            cells.emplace_back();
        } else if (c != '\r') {
            cells.back() += c;
        }
    }
    return cells;
}

}  // namespace

int Csv::column(std::string_view name) const {
    for (std::size_t i = 0; i < names.size(); i++)
        if (names[i] == name) return static_cast<int>(i);
    return -1;
}

Csv parse_csv(const std::string& text, const std::string& path) {
    Csv csv;
    std::istringstream lines(text);
    unsigned number = 0;
    for (std::string line; std::getline(lines, line);) {
        number++;
        if (line.empty()) continue;
        if (line[0] == '#') {
            if (csv.names.empty())
                csv.comment += line.substr(std::min(line.find_first_not_of("# "), line.size())) + "\n";
            continue;
        }
        std::vector<std::string> cells = cells_of(line);
        if (csv.names.empty()) {
            csv.names = std::move(cells);
        } else if (cells != csv.names) {
            if (cells.size() != csv.names.size())
                throw Failure(path + ":" + std::to_string(number) + ": " + std::to_string(cells.size()) +
                              " cells, where the first line names " + std::to_string(csv.names.size()));
            csv.rows.push_back(std::move(cells));
        }
    }
    return csv;
}

}  // namespace tool
