#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <utility>

#include "tools/chart.h"
#include "tools/command.h"
#include "tools/sections.h"

namespace tool {
namespace {

constexpr std::size_t kMostParts = 9;  // of a stack; what is smaller is summed up

using Moment = std::uint64_t;  // milliseconds

// One process's rows.
class History {
  public:
    explicit History(const Csv& csv) : csv_(csv) {}

    void add(const std::vector<std::string>& row) {
        const std::string& scope = row[at("scope")];
        const Moment moment = number(row, "time_ms");
        if (scope == "total") totals_[moment] = &row;
        if (scope == "class") parts_["class"][key(row)][moment] = &row;
        if (scope == "epoch") parts_["epoch"][key(row)][moment] = &row;
    }

    std::string html() const {
        if (totals_.empty()) return "";
        std::string text =
            chart_of({"Resident against live memory", "seconds", Unit::bytes, false, false, {}, {}},
                     {{"resident", "resident_bytes"},
                      {"live", "live_bytes"},
                      {"reclaimable", "reclaimable_bytes"},
                      {"metadata", "metadata_bytes"}});
        text += stack_of("class", "Resident memory by size class", " B");
        text += stack_of("epoch", "Resident memory by epoch", "");
        text += rates();
        return text + latencies("malloc") + latencies("free");
    }

  private:
    using Rows = std::map<Moment, const std::vector<std::string>*>;

    std::size_t at(const char* column) const { return static_cast<std::size_t>(csv_.column(column)); }
    std::uint64_t number(const std::vector<std::string>& row, const char* column) const {
        const int index = csv_.column(column);
        return index < 0 ? 0 : std::strtoull(row[static_cast<std::size_t>(index)].c_str(), nullptr, 10);
    }
    std::uint64_t key(const std::vector<std::string>& row) const { return number(row, "key"); }
    double seconds(Moment moment) const {
        return static_cast<double>(moment - totals_.begin()->first) / 1000;
    }

    std::string chart_of(Chart chart, const std::vector<std::pair<const char*, const char*>>& lines) const {
        for (const auto& [name, column] : lines) {
            Series series{name, {}};
            for (const auto& [moment, row] : totals_)
                series.points.push_back({seconds(moment), static_cast<double>(number(*row, column))});
            chart.series.push_back(std::move(series));
        }
        return chart.svg();
    }

    // The parts that were largest at any moment, by key, and the sum of all others below them.
    std::string stack_of(const char* scope, const char* title, const char* unit) const {
        const auto found = parts_.find(scope);
        if (found == parts_.end()) return "";
        std::vector<std::pair<std::uint64_t, std::uint64_t>> peaks;
        for (const auto& [part, rows] : found->second) {
            std::uint64_t peak = 0;
            for (const auto& [moment, row] : rows) peak = std::max(peak, number(*row, "resident_bytes"));
            peaks.emplace_back(peak, part);
        }
        std::sort(peaks.rbegin(), peaks.rend());
        std::set<std::uint64_t> shown;
        for (std::size_t i = 0; i < peaks.size() && i < kMostParts; i++) shown.insert(peaks[i].second);

        Chart chart{title, "seconds", Unit::bytes, false, true, {}, {}};
        Series others{"others", {}};
        for (const auto& [moment, total] : totals_) others.points.push_back({seconds(moment), 0});
        for (const auto& [part, rows] : found->second) {
            Series series{scope + (" " + std::to_string(part)) + unit, {}};
            std::size_t i = 0;
            for (const auto& [moment, total] : totals_) {
                const auto row = rows.find(moment);
                const double bytes =
                    row == rows.end() ? 0 : static_cast<double>(number(*row->second, "resident_bytes"));
                series.points.push_back({seconds(moment), bytes});
                if (!shown.contains(part)) others.points[i].y += bytes;
                i++;
            }
            if (shown.contains(part)) chart.series.push_back(std::move(series));
        }
        if (shown.size() < found->second.size()) chart.series.insert(chart.series.begin(), std::move(others));
        return chart.svg();
    }

    // Of the calls that had been timed by then; nothing where none were.
    std::string latencies(const std::string& call) const {
        if (number(*totals_.rbegin()->second, (call + "_timed").c_str()) == 0) return "";
        Chart chart{
            "How long " + call + " took, by percentile", "seconds", Unit::nanoseconds, true, false, {}, {}};
        for (const auto& [name, column] : {std::pair("p50", "_p50_ns"),
                                           {"p90", "_p90_ns"},
                                           {"p99", "_p99_ns"},
                                           {"p99.9", "_p99_9_ns"},
                                           {"p99.99", "_p99_99_ns"},
                                           {"max", "_max_ns"}}) {
            Series series{name, {}};
            for (const auto& [moment, row] : totals_) {
                if (number(*row, (call + "_timed").c_str()) == 0) continue;
                const auto ns = static_cast<double>(number(*row, (call + column).c_str()));
                series.points.push_back({seconds(moment), std::max(ns, 1.0)});
            }
            chart.series.push_back(std::move(series));
        }
        return chart.svg();
    }

    // What happened between two moments, by the time between them.
    std::string rates() const {
        Chart rate{"Requests served a second", "seconds", Unit::count, false, false, {}, {{"served", {}}}};
        Chart slow{"Share of served requests on the slow path",
                   "seconds",
                   Unit::share,
                   false,
                   false,
                   {},
                   {{"slow path", {}}}};
        const std::vector<std::string>* before = nullptr;
        for (const auto& [moment, row] : totals_) {
            if (before != nullptr) {
                const auto grown = [&, now = row](const char* column) {
                    return static_cast<double>(number(*now, column)) -
                           static_cast<double>(number(*before, column));
                };
                const double elapsed = grown("time_ms") / 1000;
                const double served = grown("served");
                const double slow_hits = grown("slow_path_hits");
                // Either is less where another program was executed in the process.
                const bool comparable = served >= 0 && slow_hits >= 0;
                if (comparable && elapsed > 0)
                    rate.series[0].points.push_back({seconds(moment), served / elapsed});
                if (comparable && served > 0)
                    slow.series[0].points.push_back({seconds(moment), slow_hits / served});
            }
            before = row;
        }
        return rate.svg() + slow.svg();
    }

    const Csv& csv_;
    Rows totals_;
    std::map<std::string, std::map<std::uint64_t, Rows>> parts_;  // scope, key
};

}  // namespace

bool is_history(const Csv& csv) {
    const char* const names[] = {"time_ms", "pid", "scope", "key", "resident_bytes", "live_bytes"};
    return std::all_of(std::begin(names), std::end(names),
                       [&csv](const char* name) { return csv.column(name) >= 0; });
}

std::string history_section(const Csv& csv) {
    std::map<std::string, History> processes;
    for (const auto& row : csv.rows)
        processes.try_emplace(row[static_cast<std::size_t>(csv.column("pid"))], csv).first->second.add(row);
    std::string text;
    for (const auto& [pid, history] : processes)
        text += "<h3>Process " + escaped(pid) + "</h3>\n" + history.html();
    return text;
}

}  // namespace tool
