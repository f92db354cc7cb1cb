#include "options.h"

#include <signal.h>
#include <string.h>

#include "os.h"

namespace tslab {

constinit Options options;

namespace {

struct Bounds {
    std::size_t least;
    std::size_t largest;
};

// One kind of option: how a value is read, what the rule is, how a value is shown.

bool parse(const char* text, bool& value, Bounds) {
    if ((text[0] != '0' && text[0] != '1') || text[1] != 0) return false;
    value = text[0] == '1';
    return true;
}
void rule(Line& line, bool, Bounds) { line.text("0 or 1"); }
void show(Line& line, bool value) { line.number(value); }

// The digits at the start of a text, and where they end; null where there are none, or too many.
const char* parse_digits(const char* text, std::size_t& number) {
    number = 0;
    const char* at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, std::size_t{10}, &number)) return nullptr;
        if (__builtin_add_overflow(number, static_cast<std::size_t>(*at - '0'), &number)) return nullptr;
    }
    return at != text ? at : nullptr;
}

bool parse(const char* text, unsigned& value, Bounds bounds) {
    std::size_t number;
    const char* const end = parse_digits(text, number);
    if (end == nullptr || *end != 0 || number < bounds.least || number > bounds.largest) return false;
    value = static_cast<unsigned>(number);
    return true;
}
void rule(Line& line, unsigned, Bounds bounds) {
    line.text("a number from ").number(bounds.least).text(" to ").number(bounds.largest);
}
void show(Line& line, unsigned value) { line.number(value); }

bool parse(const char* text, std::size_t& value, Bounds bounds) {
    std::size_t number;
    const char* const at = parse_digits(text, number);
    if (at == nullptr) return false;
    if (*at != 0) {
        constexpr char kUnits[] = "KkMmGgTt";
        const char* unit = strchr(kUnits, *at);
        if (unit == nullptr || at[1] != 0) return false;
        const std::size_t factor = std::size_t{1} << (10 * ((unit - kUnits) / 2 + 1));
        if (__builtin_mul_overflow(number, factor, &number)) return false;
    }
    if (number < bounds.least || number > bounds.largest) return false;
    value = number;
    return true;
}
void rule(Line& line, std::size_t, Bounds bounds) {
    line.text("a size from ").size(bounds.least).text(" to ").size(bounds.largest);
    line.text(" (digits, then K, M, G or T)");
}
void show(Line& line, std::size_t value) { line.size(value); }

bool parse(const char* text, const char*& value, Bounds) {
    if (*text == 0) return false;
    value = text;
    return true;
}
void rule(Line& line, const char*, Bounds) { line.text("a list of program names"); }
void show(Line& line, const char* value) { line.text(value != nullptr ? value : "none"); }

bool parse(const char* text, Percentage& value, Bounds) {
    unsigned number = 0;
    const char* at = text;
    for (; *at >= '0' && *at <= '9' && number <= 100; at++)
        number = number * 10 + static_cast<unsigned>(*at - '0');
    if (*at == '%' && at != text) at++;
    if (at == text || *at != 0 || number > 100) return false;
    value.value = number;
    return true;
}
void rule(Line& line, Percentage, Bounds) { line.text("a percentage from 0 to 100"); }
void show(Line& line, Percentage value) { line.number(value.value).text("%"); }

// As long as it can become: each %p is a process's number.
bool is_path(const char* text) {
    std::size_t length = strlen(text);
    for (const char* at = text; (at = strstr(at, "%p")) != nullptr; at += 2) length += kPidBytes - 2;
    return *text != 0 && length <= kLongestPath;
}
void rule_for_path(Line& line) {
    line.text("1 to ").number(kLongestPath).text(" bytes, ").number(kPidBytes).text(" for each %p");
}

bool parse(const char* text, Path& value, Bounds) {
    if (!is_path(text)) return false;
    memcpy(value.text, text, strlen(text) + 1);
    return true;
}
void rule(Line& line, const Path&, Bounds) {
    line.text("a path of ");
    rule_for_path(line);
}
void show(Line& line, const Path& value) { line.text(value.is_set() ? value.text : "none"); }

constexpr const char* kFormats[] = {"0", "1", "text", "json", "prometheus"};

bool parse(const char* text, ReportTo& value, Bounds) {
    const char* const colon = strchr(text, ':');
    const std::size_t length = colon != nullptr ? static_cast<std::size_t>(colon - text) : strlen(text);
    for (unsigned i = 0; i < 5; i++) {
        if (strlen(kFormats[i]) != length || strncmp(text, kFormats[i], length) != 0) continue;
        const auto format = static_cast<ReportFormat>(i);
        const char* const path = colon != nullptr ? colon + 1 : nullptr;
        if (path != nullptr && (format <= ReportFormat::summary || !is_path(path))) return false;
        value = {format, path};
        return true;
    }
    return false;
}
void rule(Line& line, const ReportTo&, Bounds) {
    line.text("0, 1, or text, json or prometheus, with or without :FILE of ");
    rule_for_path(line);
}
void show(Line& line, const ReportTo& value) {
    line.text(kFormats[static_cast<unsigned>(value.format)]);
    if (value.path != nullptr) line.text(":").text(value.path);
}

// Those that a program may be sent without harm where they are handled.
struct SignalName {
    const char* name;
    int number;
};
constexpr SignalName kSignals[] = {{"HUP", SIGHUP}, {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
                                   {"URG", SIGURG}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH},
                                   {"IO", SIGIO},   {"PWR", SIGPWR}};
constexpr int kFirstRealtime = 34;  // 32 and 33 are libc's
constexpr int kLastRealtime = 64;

bool parse(const char* text, SignalNumber& value, Bounds) {
    const char* const name = strncmp(text, "SIG", 3) == 0 ? text + 3 : text;
    int number = 0;
    const char* at = text;
    for (; *at >= '0' && *at <= '9' && number <= kLastRealtime; at++) number = number * 10 + (*at - '0');
    const bool is_number = at != text && *at == 0;
    for (const SignalName& known : kSignals) {
        if (strcmp(name, known.name) != 0 && !(is_number && number == known.number)) continue;
        value.value = known.number;
        return true;
    }
    if (!is_number || (number != 0 && (number < kFirstRealtime || number > kLastRealtime))) return false;
    value.value = number;
    return true;
}
void rule(Line& line, SignalNumber, Bounds) {
    line.text("USR1, USR2, HUP, URG, PROF, WINCH, IO, PWR, the number of a real-time signal, or 0");
}
void show(Line& line, SignalNumber value) { line.number(static_cast<std::uint64_t>(value.value)); }

template <typename T>
bool parse_name(const char* text, const char* const (&names)[3], T& value) {
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            value = static_cast<T>(i);
            return true;
        }
    }
    return false;
}

constexpr const char* kReclaimingNames[] = {"off", "normal", "eager"};

bool parse(const char* text, Reclaiming& value, Bounds) { return parse_name(text, kReclaimingNames, value); }
void rule(Line& line, Reclaiming, Bounds) { line.text("off, normal or eager"); }
void show(Line& line, Reclaiming value) { line.text(kReclaimingNames[static_cast<unsigned>(value)]); }

constexpr const char* kOnMisuseNames[] = {"report", "ignore", "abort"};

bool parse(const char* text, OnMisuse& value, Bounds) { return parse_name(text, kOnMisuseNames, value); }
void rule(Line& line, OnMisuse, Bounds) { line.text("report, ignore or abort"); }
void show(Line& line, OnMisuse value) { line.text(kOnMisuseNames[static_cast<unsigned>(value)]); }

// False where the value is not understood, which one line says.
template <typename T>
bool read_one(const char* name, const char* text, T& field, Bounds bounds, bool goes_on) {
    if (parse(text, field, bounds)) return true;
    Line line;
    line.text(name).text("=\"").text(text).text("\" is not ");
    rule(line, field, bounds);
    if (goes_on) {
        line.text("; using ");
        show(line, field);
    }
    line.send();
    return false;
}

// Values outlive the environment: a program that shows a title of its own writes it over its strings. What
// the room does not hold stays where it is.
constinit char kept[4096];
constinit std::size_t kept_bytes;

const char* keep(const char* text) {
    const std::size_t bytes = strlen(text) + 1;
    if (bytes > sizeof kept - kept_bytes) return text;
    char* const copy = kept + kept_bytes;
    memcpy(copy, text, bytes);
    kept_bytes += bytes;
    return copy;
}

// Whether an entry "NAME=value" is of this name.
bool has_name(const char* entry, const char* name) {
    const std::size_t length = strlen(name);
    return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

void report_unknown(const char* entry) {
    char name[64] = {};
    for (std::size_t i = 0; entry[i] != '=' && i + 1 < sizeof name; i++) name[i] = entry[i];
    Line line;
    line.text(name).text(" is not an option; options are");
    const char* separator = " ";
#define TSLAB_NAME(kind, field, name, value, least, largest, help) \
    line.text(separator).text(name);                               \
    separator = ", ";
    TSLAB_OPTIONS(TSLAB_NAME)
#undef TSLAB_NAME
    line.send();
}

// One entry "a,b*,c" against a name.
bool lists(const char* names, const char* name) {
    for (const char* at = names; *at != 0;) {
        const std::size_t length = strcspn(at, ",");
        const bool open_end = length > 0 && at[length - 1] == '*';
        const std::size_t fixed = open_end ? length - 1 : length;
        if (strncmp(at, name, fixed) == 0 && (open_end || (length > 0 && name[fixed] == 0))) return true;
        at += length + (at[length] == ',');
    }
    return false;
}

}  // namespace

void Options::read(char** environment) {
    for (char** at = environment; at != nullptr && *at != nullptr; at++) {
        const char* entry = *at;
        const char* equals = strchr(entry, '=');
        if (strncmp(entry, "TSLAB_", 6) != 0 || equals == nullptr) continue;
#define TSLAB_READ(kind, field, name, value, least, largest, help)             \
    if (has_name(entry, name)) {                                               \
        read_one(name, keep(equals + 1), field, Bounds{least, largest}, true); \
        continue;                                                              \
    }
        TSLAB_OPTIONS(TSLAB_READ)
#undef TSLAB_READ
        if (!has_name(entry, "TSLAB_LIBRARY")) report_unknown(entry);  // the command reads that one
    }
    if (os::is_privileged()) {
        if (stats.path != nullptr) stats = {};
        stats_interval_ms = 0;
        telemetry = {};
    }
    if (min_size > max_size) {
        Line line;
        line.text("TSLAB_MIN_SIZE=").number(min_size).text(" is above TSLAB_MAX_SIZE=").number(max_size);
        line.text("; using ").number(kMinServed).text(" and ").number(kMaxServed).send();
        min_size = kMinServed;
        max_size = kMaxServed;
    }
}

bool Options::understands(const char* name, const char* value, const char* given_as) {
    Options scratch;
#define TSLAB_TRY(kind, field, option_name, initial, least, largest, help) \
    if (strcmp(name, option_name) == 0)                                    \
        return read_one(given_as, value, scratch.field, Bounds{least, largest}, false);
    TSLAB_OPTIONS(TSLAB_TRY)
#undef TSLAB_TRY
    return false;
}

void Options::show(Line& line) const {
    static constexpr Options defaults{};
#define TSLAB_SHOW(kind, field, name, value, least, largest, help) \
    if (!(field == defaults.field)) {                              \
        line.text("; " name " ");                                  \
        tslab::show(line, field);                                  \
    }
    TSLAB_OPTIONS(TSLAB_SHOW)
#undef TSLAB_SHOW
}

const char* Options::obstacle(const char* started_name, const char* program_name) const {
    if (disable) return "TSLAB_DISABLE is set";
    const auto has_it = [&](const char* names) {
        return lists(names, started_name) || lists(names, program_name);
    };
    if (exclude != nullptr && has_it(exclude)) return "TSLAB_EXCLUDE names it";
    if (only != nullptr && !has_it(only)) return "TSLAB_ONLY does not name it";
    return nullptr;
}

}  // namespace tslab
