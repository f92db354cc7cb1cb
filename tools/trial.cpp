#include "tools/trial.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tools/processes.h"
#include "tools/telemetry.h"

namespace tool {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

namespace {

constexpr auto kBetweenLooks = std::chrono::milliseconds(10);
constexpr double kUntilKilled = 10;  // after SIGTERM, in seconds
constexpr double kToReport = 0.2;    // before it: a program that SIGTERM ends has no exit to report at
constexpr int kReport = SIGURG;      // does nothing where nobody handles it

// A directory of its own, gone when this is.
class Scratch {
  public:
    Scratch() {
        std::string pattern = fs::temp_directory_path() / "temporal-slab.XXXXXX";
        if (mkdtemp(pattern.data()) == nullptr) fail_with_errno(pattern, errno);
        path_ = pattern;
    }
    ~Scratch() {
        std::error_code none;
        fs::remove_all(path_, none);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

// While one lives, what the terminal sends is for the program alone.
class Unmoved {
  public:
    Unmoved() : interrupt_(std::signal(SIGINT, SIG_IGN)), quit_(std::signal(SIGQUIT, SIG_IGN)) {}
    ~Unmoved() {
        std::signal(SIGINT, interrupt_);
        std::signal(SIGQUIT, quit_);
    }
    Unmoved(const Unmoved&) = delete;
    Unmoved& operator=(const Unmoved&) = delete;
    void give_up_in_child() const {
        std::signal(SIGINT, interrupt_);
        std::signal(SIGQUIT, quit_);
    }

  private:
    void (*interrupt_)(int);
    void (*quit_)(int);
};

void discard_output() {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
}

// Looks at the program until it ends.
class Observer {
  public:
    explicit Observer(pid_t child) : child_(child) {}

    void watch(double seconds, Trial& trial) {
        rusage used{};
        for (;;) {
            const pid_t ended = wait4(child_, &trial.wait_status, WNOHANG, &used);
            if (ended == child_) break;
            if (ended < 0) fail_with_errno("wait4", errno);
            look();
            if (seconds > 0) end_after(seconds);
            std::this_thread::sleep_for(kBetweenLooks);
        }
        trial.seconds = elapsed();
        const auto in_seconds = [](const timeval& t) {
            return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
        };
        trial.cpu_seconds = in_seconds(used.ru_utime) + in_seconds(used.ru_stime);
        trial.peak_bytes = std::max(peak_, static_cast<std::uint64_t>(used.ru_maxrss) * 1024);
        trial.looks = looks_;
        trial.mean_bytes = looks_ == 0 ? trial.peak_bytes : sum_ / looks_;
    }

  private:
    double elapsed() const { return std::chrono::duration<double>(steady_clock::now() - start_).count(); }

    void look() {
        std::uint64_t now = 0;
        for (const pid_t pid : tree_of(child_)) now += resident_bytes(pid);
        if (now == 0) return;
        peak_ = std::max(peak_, now);
        sum_ += now;
        looks_++;
    }

    void end_after(double seconds) {
        if (elapsed() > seconds + kUntilKilled) {
            kill(child_, SIGKILL);
        } else if (elapsed() > seconds && !asked_to_end_) {
            asked_to_end_ = true;
            kill(child_, SIGTERM);
        } else if (elapsed() > seconds - kToReport && !asked_to_report_) {
            asked_to_report_ = true;
            for (const pid_t pid : tree_of(child_)) kill(pid, kReport);
        }
    }

    pid_t child_;
    steady_clock::time_point start_ = steady_clock::now();
    std::uint64_t peak_ = 0;
    std::uint64_t sum_ = 0;
    std::uint64_t looks_ = 0;
    bool asked_to_report_ = false;
    bool asked_to_end_ = false;
};

// "tslab_NAME_total 5" or "tslab_NAME 5": a total. Lines with labels are parts of one. What was reported last
// counts.
void add_exposition(const fs::path& path, Trial& trial) {
    std::ifstream file(path);
    std::map<std::string, std::uint64_t> last;
    for (std::string line; std::getline(file, line);) {
        const std::size_t space = line.find(' ');
        if (!line.starts_with("tslab_") || line.find('{') != std::string::npos || space == std::string::npos)
            continue;
        std::string name = line.substr(6, space - 6);
        if (name.ends_with("_total")) name.resize(name.size() - 6);
        last[name] = std::strtoull(line.c_str() + space, nullptr, 10);
    }
    for (const auto& [name, value] : last) trial.figures[name] += value;
    trial.processes++;
}

// A process that a signal ended left its telemetry instead.
void add_telemetry(const fs::path& path, Trial& trial) {
    const Snapshot snapshot = Telemetry(path).snapshot();
    const Table& totals = snapshot.table("totals");
    if (totals.rows() == 0) return;
    for (const Column& column : totals.columns) trial.figures[column.name] += totals.number(0, column);
    trial.processes++;
}

void gather(const fs::path& folder, Trial& trial) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename();
        if (name.starts_with("figures.")) add_exposition(entry.path(), trial);
        const std::string pid = name.substr(name.find('.') + 1);
        if (name.starts_with("tslab.") && !fs::exists(folder / ("figures." + pid))) {
            try {
                add_telemetry(entry.path(), trial);
            } catch (const Failure&) {
                // Ended while it was writing.
            }
        }
    }
}

}  // namespace

std::uint64_t Trial::figure(const std::string& name) const {
    const auto found = figures.find(name);
    return found == figures.end() ? 0 : found->second;
}

Trial run_trial(const std::string& program, char** words, Environment environment, TrialSettings settings) {
    const Scratch scratch;
    if (settings.gather) {
        environment.set("TSLAB_STATS", "prometheus:" + (scratch.path() / "figures.%p").string());
        environment.set("TSLAB_STATS_SIGNAL", "URG");
        environment.set("TSLAB_TELEMETRY", scratch.path());
    }
    char** const entries = environment.entries();
    Trial trial;
    const Unmoved unmoved;
    const pid_t child = fork();
    if (child < 0) fail_with_errno("fork", errno);
    if (child == 0) {
        unmoved.give_up_in_child();
        if (!settings.keep_output) discard_output();
        _exit(execute(program, words, entries));
    }
    Observer(child).watch(settings.seconds, trial);
    if (settings.gather) gather(scratch.path(), trial);
    return trial;
}

}  // namespace tool
