// The parts of a report page, each made from one file.
#pragma once

#include <string>

#include "tools/csv.h"

namespace tool {

// What TSLAB_STATS_INTERVAL_MS appended: charts for each process in it.
std::string history_section(const Csv& csv);
bool is_history(const Csv& csv);

// What a driver of bench/ printed: percentiles and courses as charts, the rest as a table.
std::string driver_section(const Csv& csv);
bool is_driver(const Csv& csv);

}  // namespace tool
