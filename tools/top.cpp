// temporal-slab top: all processes with telemetry, again and again.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <thread>

#include "tools/arguments.h"
#include "tools/figures.h"
#include "tools/json.h"
#include "tools/processes.h"
#include "tools/terminal.h"

namespace tool {
namespace {

struct Sample {
    std::uint64_t served;
    std::uint64_t slow_path_hits;
    std::uint64_t published_ns;
};

struct Row {
    pid_t pid;
    std::string program;
    std::uint64_t process_bytes;  // resident, of the whole process
    Figures figures;
    double rate;  // served requests a second
    double slow_path_share;
};

// What was seen last of each process, for what happened since.
class Watch {
  public:
    explicit Watch(std::string directory) : directory_(std::move(directory)) {}

    std::vector<Row> look();

  private:
    void add(Telemetry& telemetry, std::map<pid_t, Sample>& seen, std::vector<Row>& rows) const;

    std::string directory_;
    std::map<pid_t, Sample> seen_;
};

void Watch::add(Telemetry& telemetry, std::map<pid_t, Sample>& seen, std::vector<Row>& rows) const {
    telemetry.ask_without_waiting("publish");
    const Snapshot snapshot = telemetry.snapshot();
    const Figures figures = figures_of(snapshot);
    const pid_t pid = telemetry.pid();
    Row row{pid, printable(telemetry.program()), resident_bytes(pid), figures, 0, figures.slow_path_share()};
    Sample now{figures.served, figures.slow_path_hits, snapshot.published_ns};
    const auto before = seen_.find(pid);
    const Sample since = before != seen_.end() ? before->second : Sample{0, 0, telemetry.started_ns()};
    if (now.published_ns > since.published_ns && now.served >= since.served) {
        row.rate = static_cast<double>(now.served - since.served) * 1e9 /
                   static_cast<double>(now.published_ns - since.published_ns);
        if (now.served > since.served)
            row.slow_path_share = ratio(now.slow_path_hits - since.slow_path_hits, now.served - since.served);
    }
    seen[pid] = now;
    rows.push_back(row);
}

std::vector<Row> Watch::look() {
    std::vector<Row> rows;
    std::map<pid_t, Sample> seen;
    for (Telemetry& telemetry : all_telemetry(directory_)) {
        try {
            add(telemetry, seen, rows);
        } catch (const Failure&) {
            // Stopped while it was writing: not to be read.
        }
    }
    seen_ = std::move(seen);
    std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
        return a.figures.resident_bytes != b.figures.resident_bytes
                   ? a.figures.resident_bytes > b.figures.resident_bytes
                   : a.pid < b.pid;
    });
    return rows;
}

std::string table_of(const std::vector<Row>& rows) {
    std::string text;
    char line[160];
    const auto add = [&](const char* pid, const char* name, const char* process, const char* resident,
                         const char* live, const char* share, const char* pinned, const char* rate,
                         const char* slow) {
        std::snprintf(line, sizeof line, "%7s %-15.15s %7s %8s %7s %5s %7s %8s %6s\n", pid, name, process,
                      resident, live, share, pinned, rate, slow);
        text += line;
    };
    add("PID", "PROGRAM", "RSS", "RESIDENT", "LIVE", "LIVE%", "PINNED", "SERVED/s", "SLOW");
    for (const Row& row : rows) {
        const Figures& f = row.figures;
        char share[8];
        std::snprintf(share, sizeof share, "%.0f%%", 100 * ratio(f.live_bytes, f.resident_bytes));
        add(std::to_string(row.pid).c_str(), row.program.c_str(), bytes_text(row.process_bytes).c_str(),
            bytes_text(f.resident_bytes).c_str(), bytes_text(f.live_bytes).c_str(), share,
            bytes_text(f.pinned_bytes).c_str(), count_text(row.rate).c_str(),
            percent_text(row.slow_path_share).c_str());
    }
    return text;
}

std::string latencies_of(const std::vector<Row>& rows) {
    std::string text;
    char line[160];
    const auto add = [&](const char* pid, const char* name, const std::string(&words)[8]) {
        std::snprintf(line, sizeof line, "%7s %-15.15s", pid, name);
        text += line;
        for (const std::string& word : words) {
            std::snprintf(line, sizeof line, " %6s", word.c_str());
            text += line;
        }
        text += "\n";
    };
    add("PID", "PROGRAM", {"MALLOC", "p50", "p99", "p99.99", "FREE", "p50", "p99", "p99.99"});
    for (const Row& row : rows) {
        std::string words[8];
        std::string* word = words;
        for (const Figures::Times* times : {&row.figures.malloc, &row.figures.free}) {
            *word++ = count_text(static_cast<double>(times->timed));
            for (const std::uint64_t ns : {times->p50_ns, times->p99_ns, times->p99_99_ns})
                *word++ = times->timed == 0 ? "-" : time_text(ns);
        }
        add(std::to_string(row.pid).c_str(), row.program.c_str(), words);
    }
    return text;
}

std::string heading_of(const std::vector<Row>& rows) {
    std::uint64_t resident = 0;
    std::uint64_t live = 0;
    double rate = 0;
    for (const Row& row : rows) {
        resident += row.figures.resident_bytes;
        live += row.figures.live_bytes;
        rate += row.rate;
    }
    return "temporal-slab: " + std::to_string(rows.size()) + (rows.size() == 1 ? " process" : " processes") +
           ", " + bytes_text(resident) + " resident, " + bytes_text(live) + " live, " + count_text(rate) +
           " requests/s";
}

void show_screens(Watch& watch, double interval, std::uint64_t count, bool latency) {
    const Terminal terminal;
    for (std::uint64_t shown = 0; count == 0 || shown < count; shown++) {
        const std::vector<Row> rows = watch.look();
        terminal.show(heading_of(rows) + "   q: quit\n\n" + (latency ? latencies_of(rows) : table_of(rows)));
        if (shown + 1 == count) return;
        const char key = terminal.wait_for_key(interval);
        if (key == 'q' || key == 'Q') return;
        if (key == 'l' || key == 'L') latency = !latency;
    }
}

void print_tables(Watch& watch, double interval, std::uint64_t count, bool latency) {
    for (std::uint64_t printed = 0; printed < count; printed++) {
        if (printed > 0) {
            std::puts("");
            flush_output();
            std::this_thread::sleep_for(std::chrono::duration<double>(interval));
        }
        const std::vector<Row> rows = watch.look();
        const std::string table = latency ? latencies_of(rows) : table_of(rows);
        std::printf("%s\n%s", heading_of(rows).c_str(), table.c_str());
    }
}

}  // namespace

int top_command(char** words) {
    std::string directory;
    double interval = 1;
    std::uint64_t count = 0;
    bool latency = false;
    for (Arguments arguments(words); arguments.next();) {
        if (arguments.is("--dir")) {
            directory = arguments.value();
        } else if (arguments.is("--interval")) {
            interval = arguments.seconds(0.05, 3600);
        } else if (arguments.is("--latency")) {
            latency = true;
        } else if (arguments.is("--count")) {
            count = arguments.whole_number(1, 1'000'000'000);
        } else {
            arguments.refuse();
        }
    }
    all_telemetry(directory);  // what is wrong with the directory is said before the screen is taken
    Watch watch(directory);
    if (isatty(STDOUT_FILENO) != 0 && isatty(STDIN_FILENO) != 0) {
        show_screens(watch, interval, count, latency);
    } else {
        print_tables(watch, interval, count == 0 ? 1 : count, latency);
    }
    return 0;
}

}  // namespace tool
