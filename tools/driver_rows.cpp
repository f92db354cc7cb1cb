#include <array>
#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>

#include "tools/chart.h"
#include "tools/sections.h"

namespace tool {
namespace {

// Where along the axis of a latency chart a percentile stands.
constexpr std::array<std::string_view, 7> kPercentiles = {"p50",    "p90",     "p99", "p99.9",
                                                          "p99.99", "p99.999", "max"};

// "steady_malloc_p99.9" as the call and its place; -1 where the metric is no percentile.
int percentile_of(const std::string& metric, std::string& call) {
    const std::size_t underscore = metric.rfind('_');
    if (underscore == std::string::npos) return -1;
    call = metric.substr(0, underscore);
    for (std::size_t i = 0; i < kPercentiles.size(); i++)
        if (metric.substr(underscore + 1) == kPercentiles[i]) return static_cast<int>(i);
    return -1;
}

Series& series_of(Chart& chart, const std::string& name) {
    for (Series& series : chart.series)
        if (series.name == name) return series;
    return chart.series.emplace_back(Series{name, {}});
}

// A file's rows, sorted into what can be drawn.
class Rows {
  public:
    void add(const std::string& one_case, const std::string& metric, const std::string& value,
             const std::string& unit) {
        const double number = std::strtod(value.c_str(), nullptr);
        std::string call;
        const int place = unit == "ns" ? percentile_of(metric, call) : -1;
        const std::size_t when = metric.find('@');
        if (place >= 0) {
            Chart& chart = latencies_[one_case];
            chart.title = one_case + ": how long calls take, by percentile";
            chart.unit = Unit::nanoseconds;
            chart.logarithmic = true;
            series_of(chart, call).points.push_back({static_cast<double>(place), number});
        } else if (when != std::string::npos) {
            const bool mebibytes = unit == "MiB";
            Chart& chart = courses_[{one_case, unit}];
            chart.title = one_case + (mebibytes ? "" : ", " + unit);
            chart.x_title = "point of the run";
            chart.unit = mebibytes ? Unit::bytes : Unit::count;
            series_of(chart, metric.substr(0, when))
                .points.push_back(
                    {std::strtod(metric.c_str() + when + 1, nullptr), mebibytes ? number * 1048576 : number});
        } else {
            table_ += "<tr><td>" + escaped(one_case) + "</td><td>" + escaped(metric) +
                      "</td><td class=\"number\">" + escaped(value) + "</td><td>" + escaped(unit) +
                      "</td></tr>\n";
        }
    }

    std::string html() {
        std::string text;
        for (auto& [name, chart] : latencies_) {
            for (const std::string_view percentile : kPercentiles) chart.categories.emplace_back(percentile);
            text += chart.svg();
        }
        for (auto& [name, chart] : courses_) text += chart.svg();
        if (!table_.empty())
            text += "<table><tr><th>case</th><th>metric</th><th>value</th><th>unit</th></tr>\n" + table_ +
                    "</table>\n";
        return text;
    }

  private:
    std::map<std::string, Chart> latencies_;
    std::map<std::pair<std::string, std::string>, Chart> courses_;
    std::string table_;
};

}  // namespace

bool is_driver(const Csv& csv) {
    return csv.names == std::vector<std::string>{"driver", "case", "metric", "value", "unit"};
}

std::string driver_section(const Csv& csv) {
    std::map<std::string, Rows> drivers;
    for (const auto& row : csv.rows) drivers[row[0]].add(row[1], row[2], row[3], row[4]);
    std::string text = csv.comment.empty() ? "" : "<p class=\"comment\">" + escaped(csv.comment) + "</p>\n";
    for (auto& [name, rows] : drivers) text += "<h3>" + escaped(name) + "</h3>\n" + rows.html();
    return text;
}

}  // namespace tool
