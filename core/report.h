// A complete survey as text: for people, as JSON, as Prometheus's exposition format, as lines of CSV.
#pragma once

#include "figures.h"
#include "output.h"

namespace tslab {

// In JSON as "version". A name that is added is not a new version; one that goes, or means something else,
// is.
inline constexpr unsigned kJsonVersion = 1;

// Of the process that is reported on.
struct Reported {
    const char* program;
    std::uint64_t wall_clock_ns;
};

void write_text(Output& output, const Survey& survey, const Reported& of);
void write_json(Output& output, const Survey& survey, const Reported& of);
void write_prometheus(Output& output, const Survey& survey, const Reported& of);

// The line of names, and a line for the totals, for each class and for each epoch. What a line has no figure
// for is empty.
void write_csv_names(Output& output);
void write_csv(Output& output, const Survey& survey, const Reported& of);

}  // namespace tslab
