// Every option, declared once. The environment is read when the allocator starts; a name or a value that is
// not understood costs one line on stderr and the default is used: a typo never stops a program.
#pragma once

#include "print.h"
#include "size_class.h"

namespace tslab {

inline constexpr std::size_t kMiB = std::size_t{1} << 20;
inline constexpr std::size_t kTiB = std::size_t{1} << 40;

inline constexpr std::size_t kLongestPath = 200;
inline constexpr std::size_t kPidBytes = 10;  // what %p comes to at most
// A copy: programs overwrite their environment, to be listed under another title.
struct Path {
    char text[kLongestPath + 1];
    bool is_set() const { return text[0] != 0; }
    bool operator==(const Path& other) const { return __builtin_strcmp(text, other.text) == 0; }
};
// How and where figures are reported. The path is null for stderr; %p in it stands for the process's number.
enum class ReportFormat : unsigned char { none, summary, text, json, prometheus };
struct ReportTo {
    ReportFormat format;
    const char* path;
    bool operator==(const ReportTo&) const = default;
};
struct SignalNumber {
    int value;
    bool operator==(const SignalNumber&) const = default;
};
enum class OnMisuse : unsigned char { report, ignore, abort };
enum class Reclaiming : unsigned char { off, normal, eager };
struct Percentage {
    unsigned value;
    bool operator==(const Percentage&) const = default;
};

// clang-format off
// kind, field, name, default, least, largest, help. Least and largest bound sizes and numbers only.
#define TSLAB_OPTIONS(row) \
    row(Flag, disable, "TSLAB_DISABLE", false, 0, 0, \
        "pass every call through to the next allocator") \
    row(Flag, verbose, "TSLAB_VERBOSE", false, 0, 0, \
        "print one line at start: version, next allocator, settings other than the defaults") \
    row(Report, stats, "TSLAB_STATS", (ReportTo{ReportFormat::none, nullptr}), 0, 0, \
        "report the figures at exit: 1 for one line, or text, json or prometheus, each with :FILE") \
    row(Signal, stats_signal, "TSLAB_STATS_SIGNAL", SignalNumber{0}, 0, 0, \
        "report them on this signal too, unless the program handles it") \
    row(Number, stats_interval_ms, "TSLAB_STATS_INTERVAL_MS", 0, 0, 86400000, \
        "append them to TSLAB_STATS_CSV about this often while the program allocates; 0: never") \
    row(Path, stats_csv, "TSLAB_STATS_CSV", Path{"temporal-slab.%p.csv"}, 0, 0, \
        "the file for that; %p is the process's number") \
    row(Path, telemetry, "TSLAB_TELEMETRY", Path{""}, 0, 0, \
        "publish them in DIR/tslab.PID, a file that other processes can map") \
    row(Signal, trim_signal, "TSLAB_TRIM_SIGNAL", SignalNumber{0}, 0, 0, \
        "give every empty page back on this signal, unless the program handles it") \
    row(Number, latency, "TSLAB_LATENCY", 0, 0, 1000000000, \
        "time one malloc and one free in so many, and print how long they took at exit; 0: none") \
    row(Size, profile, "TSLAB_PROFILE", 0, 0, kTiB, \
        "sample one request in so many bytes with its call stack, for heap profiles; 0: none") \
    row(Path, profile_file, "TSLAB_PROFILE_FILE", Path{"temporal-slab.%p"}, 0, 0, \
        "where profiles are written, less the endings .heap, .pinners, .folded, .lifetimes; %p is the pid") \
    row(Size, reserve, "TSLAB_RESERVE", kTiB, 2 * kMiB, 16 * kTiB, \
        "address space to reserve, rounded down to a power of two") \
    row(Size, min_size, "TSLAB_MIN_SIZE", kMinServed, 1, kMaxServed, \
        "smallest request served, in bytes") \
    row(Size, max_size, "TSLAB_MAX_SIZE", kMaxServed, 1, kMaxServed, \
        "largest request served, in bytes") \
    row(Size, epoch_bytes, "TSLAB_EPOCH_BYTES", 0, 0, kTiB, \
        "bytes allocated and freed in an epoch; 0: as many as suit the memory in use") \
    row(Percent, budget, "TSLAB_BUDGET", Percentage{2}, 0, 0, \
        "free memory that closed epochs may keep before it is used again, in percent of live bytes") \
    row(Purging, reclaim, "TSLAB_RECLAIM", Reclaiming::normal, 0, 0, \
        "give empty pages back: off, normal, or eager, always at the first visit that finds them empty") \
    row(Names, only, "TSLAB_ONLY", nullptr, 0, 0, \
        "serve only programs of these names: comma-separated, a final * matches any rest") \
    row(Names, exclude, "TSLAB_EXCLUDE", nullptr, 0, 0, \
        "pass everything through in programs of these names") \
    row(Misuse, on_misuse, "TSLAB_ON_MISUSE", OnMisuse::report, 0, 0, \
        "an invalid or double free: report it once per kind, ignore it, or abort") \
    row(Flag, deepbind, "TSLAB_DEEPBIND", true, 0, 0, \
        "clear RTLD_DEEPBIND in dlopen, so that every library shares one malloc")
// clang-format on

namespace option_types {
using Flag = bool;
using Size = std::size_t;
using Number = unsigned;
using Names = const char*;
using Misuse = OnMisuse;
using Purging = Reclaiming;
using Percent = Percentage;
using Path = tslab::Path;
using Report = ReportTo;
using Signal = SignalNumber;
}  // namespace option_types

struct Options {
#define TSLAB_FIELD(kind, field, name, value, least, largest, help) option_types::kind field = value;
    TSLAB_OPTIONS(TSLAB_FIELD)
#undef TSLAB_FIELD

    // Sets the fields from "NAME=value" entries; says in one line each what it did not understand.
    void read(char** environment);

    // Whether an option of this name takes this value; says in one line why not, of what it was `given_as`.
    // For the command.
    static bool understands(const char* name, const char* value, const char* given_as);

    // Adds "; name value" to a line for each option that is not at its default.
    void show(Line& line) const;

    // Whether calls are looked at one by one, to time them, to sample them or to publish figures meanwhile.
    bool watches() const {
        return latency != 0 || profile != 0 || stats_interval_ms != 0 || telemetry.is_set();
    }

    // Whether anybody will ask for the figures.
    bool wants_figures() const {
        return stats.format != ReportFormat::none || stats_signal.value != 0 || stats_interval_ms != 0 ||
               telemetry.is_set();
    }

    // Why `disable`, `only` or `exclude` keep us from serving this process, known by either name; null where
    // they do not.
    const char* obstacle(const char* started_name, const char* program_name) const;
};

// In force. Written once, before the first request is served.
TSLAB_INTERNAL extern constinit Options options;

}  // namespace tslab
