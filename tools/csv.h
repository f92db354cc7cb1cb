// Tables of text as files of comma-separated values hold them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tool {

struct Csv {
    std::string comment;  // of the lines before the names that begin with #
    std::vector<std::string> names;
    std::vector<std::vector<std::string>> rows;  // each as long as `names`

    // -1 where there is no such column.
    int column(std::string_view name) const;
};

// Throws, with the line's number, where a row is not as long as the names. Rows that repeat the names are
// left out: files that several runs appended to hold them again.
Csv parse_csv(const std::string& text, const std::string& path);

}  // namespace tool
