// temporal-slab fit: whether the library suits a program, in plain words.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <vector>

#include "tools/arguments.h"
#include "tools/elf.h"
#include "tools/figures.h"
#include "tools/trial.h"

namespace tool {
namespace {

constexpr double kMostSlowPath = 0.10;  // a larger share of slow calls, and the library only costs
constexpr double kLeastInRange = 0.05;  // a smaller share of requests in range, and it changes nothing
constexpr double kManyBelow = 0.25;     // of requests, that a lower least size would serve
constexpr std::uint64_t kLeastServed = 10'000;  // fewer say nothing
constexpr std::uint64_t kLeastJudged = 50;      // slabs
constexpr double kFewDrained = 0.5;
constexpr double kMuchMore = 1.1;                // memory, against a plain run
constexpr std::uint64_t kLeastMatter = 4 << 20;  // a smaller difference is nobody's concern
constexpr std::uint64_t kLeastLooks = 20;        // for a mean that says something

void say(const char* format, ...) __attribute__((format(printf, 1, 2)));
void say(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    std::vprintf(format, arguments);
    va_end(arguments);
    std::putchar('\n');
}

// What the trials show of a program.
class Fit {
  public:
    Fit(std::string name, const Trial& ours, const Trial* plain)
        : name_(std::move(name)), ours_(ours), plain_(plain) {}

    // Says everything. True where the program fits.
    bool judge();

  private:
    void against(std::string reason) { against_.push_back(std::move(reason)); }
    void tell_requests();
    void tell_slow_path();
    void tell_draining();
    void tell_memory();
    void tell_endings();
    void recommend() const;

    double in_range() const { return ratio(served_, served_ + forwarded_); }

    std::string name_;
    const Trial& ours_;
    const Trial* plain_;
    std::uint64_t served_ = ours_.figure("served");
    std::uint64_t forwarded_ = ours_.figure("forwarded");
    std::vector<std::string> against_;
};

void Fit::tell_requests() {
    const auto share = [this](const char* figure) {
        return percent_text(ratio(ours_.figure(figure), served_ + forwarded_));
    };
    say("requests    %s, of which %s served; forwarded: %s too small, %s too large, %s aligned, %s for want "
        "of "
        "room",
        count_text(static_cast<double>(served_ + forwarded_)).c_str(), percent_text(in_range()).c_str(),
        share("forwarded_below").c_str(), share("forwarded_above").c_str(),
        share("forwarded_aligned").c_str(), share("forwarded_exhausted").c_str());
    if (in_range() < kLeastInRange) against("too few of its requests are of a size that the library serves");
}

void Fit::tell_slow_path() {
    const double share = ratio(ours_.figure("slow_path_hits"), served_);
    say("slow path   %s of served requests, for a lock, a system call, or a new or purged slab; up to %.0f "
        "%% "
        "pays",
        percent_text(share).c_str(), 100 * kMostSlowPath);
    if (share > kMostSlowPath) against("too many of its requests take the slow path");
}

void Fit::tell_draining() {
    const std::uint64_t judged = ours_.figure("slabs_judged");
    const std::uint64_t drained = ours_.figure("slabs_drained");
    if (judged < kLeastJudged) {
        const std::uint64_t epochs = ours_.figure("epochs_opened") + ours_.processes;
        say("draining    too few slabs to tell, in %llu epoch%s", static_cast<unsigned long long>(epochs),
            epochs == 1 ? "" : "s");
    } else {
        say("draining    %s of slabs were empty two epochs after theirs had closed",
            percent_text(ratio(drained, judged)).c_str());
    }
}

void Fit::tell_memory() {
    const bool long_enough =
        ours_.looks >= kLeastLooks && (plain_ == nullptr || plain_->looks >= kLeastLooks);
    const auto tell = [&](const char* how, const Trial& trial) {
        say("%s peak %s%s", how, bytes_text(trial.peak_bytes).c_str(),
            long_enough ? (", mean " + bytes_text(trial.mean_bytes)).c_str() : "");
    };
    tell("memory      with the library:", ours_);
    if (plain_ == nullptr) return;
    tell("            without it:      ", *plain_);
    const std::uint64_t with = long_enough ? ours_.mean_bytes : ours_.peak_bytes;
    const std::uint64_t without = long_enough ? plain_->mean_bytes : plain_->peak_bytes;
    say("            the library takes %.0f %% of the %s", 100 * ratio(with, without),
        long_enough ? "mean" : "peak");
    say("time        with it %.2f s of processor in %.2f s, without it %.2f s in %.2f s: one run each, no "
        "benchmark",
        ours_.cpu_seconds, ours_.seconds, plain_->cpu_seconds, plain_->seconds);
    if (ratio(with, without) > kMuchMore && with - without > kLeastMatter)
        against("it takes more memory with the library than without");
}

std::string ending_of(const Trial& trial) {
    return WIFSIGNALED(trial.wait_status) ? "signal " + std::to_string(WTERMSIG(trial.wait_status))
                                          : "status " + std::to_string(WEXITSTATUS(trial.wait_status));
}

void Fit::tell_endings() {
    if (plain_ != nullptr && ours_.wait_status != plain_->wait_status) {
        say("ending      with the library %s, without it %s", ending_of(ours_).c_str(),
            ending_of(*plain_).c_str());
        against("it ended differently");
    } else if (ours_.wait_status != 0) {
        say("ending      %s", ending_of(ours_).c_str());
    }
    const std::uint64_t misuse = ours_.figure("double_frees") + ours_.figure("invalid_frees") +
                                 ours_.figure("freed_reallocs") + ours_.figure("invalid_reallocs");
    if (misuse > 0)
        say("misuse      %llu frees or reallocs of what was not live: a fault of the program, which the "
            "library "
            "withstands",
            static_cast<unsigned long long>(misuse));
}

void Fit::recommend() const {
    bool any = false;
    const auto advise = [&any](const char* setting, const std::string& reason) {
        say("%-11s %s: %s", any ? "" : "try", setting, reason.c_str());
        any = true;
    };
    if (served_ + forwarded_ < kLeastServed) return;
    const double below = ratio(ours_.figure("forwarded_below"), served_ + forwarded_);
    if (below > kManyBelow)
        advise("--min-size=16", percent_text(below) + " of its requests are smaller than what is served now");
    if (ours_.figure("forwarded_exhausted") > 0)
        advise("a larger --reserve", "the reserved range was used up, or the kernel refused memory");
    if (ours_.figure("slabs_judged") >= kLeastJudged &&
        ratio(ours_.figure("slabs_drained"), ours_.figure("slabs_judged")) < kFewDrained)
        advise("a larger --epoch-bytes", "most slabs outlive their epochs");
    if (served_ >= kLeastServed && ours_.figure("slow_system_calls") * 2 > ours_.figure("slow_path_hits") &&
        ratio(ours_.figure("slow_path_hits"), served_) > kMostSlowPath)
        advise("--reclaim=off", "most slow calls give memory back that is soon needed again");
    if (!any) say("try         no other settings: the defaults suit it");
}

bool Fit::judge() {
    say("%s: %u process%s under the library", name_.c_str(), ours_.processes,
        ours_.processes == 1 ? "" : "es");
    tell_requests();
    tell_slow_path();
    tell_draining();
    tell_memory();
    tell_endings();
    recommend();
    if (served_ + forwarded_ < kLeastServed)
        against_ = {"it allocated too little to tell; give it more to do"};
    for (const std::string& reason : against_) say("no fit      %s", reason.c_str());
    if (against_.empty()) say("it fits");
    return against_.empty();
}

void check_input() {
    struct stat status;
    if (fstat(STDIN_FILENO, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode)))
        throw BadUsage("a pipe as standard input serves one run only: give a file, or --once");
}

}  // namespace

int fit_command(char** words) {
    LaunchOptions options(OptionFlags::all_but_figures);
    TrialSettings settings;
    bool once = false;
    Arguments arguments(words);
    while (arguments.next() && !arguments.is_operand()) {
        if (arguments.is("--once")) {
            once = true;
        } else if (arguments.is("--for")) {
            settings.seconds = arguments.seconds(0.1, 86400);
        } else if (!options.take(arguments)) {
            arguments.refuse();
        }
    }
    if (!arguments.is_operand()) throw BadUsage("which program?");
    char** const program = arguments.program();
    if (!once) check_input();
    const std::string file = find_program(*program);
    if (file.empty()) throw Failure(std::string(*program) + ": not found");
    const char* const obstacle = obstacle_of(kind_of(file));
    if (*obstacle != 0) {
        std::printf("no fit      %s %s\n", file.c_str(), obstacle);
        return 1;
    }
    const off_t input = lseek(STDIN_FILENO, 0, SEEK_CUR);
    settings.gather = true;
    const Trial ours = run_trial(file, program, options.environment(), settings);
    if (ours.processes == 0)
        throw Failure("no process of " + file +
                      " left figures: the library was not active there (see run --verbose)");
    Trial plain;
    if (!once) {
        if (input >= 0) lseek(STDIN_FILENO, input, SEEK_SET);  // the same for both runs
        settings.gather = false;
        settings.keep_output = false;
        Environment environment;
        environment.leave_library_out();
        plain = run_trial(file, program, environment, settings);
    }
    return Fit(*program, ours, once ? nullptr : &plain).judge() ? 0 : 1;
}

}  // namespace tool
