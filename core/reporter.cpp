#include "reporter.h"

#include <string.h>

#include "options.h"
#include "os.h"
#include "print.h"
#include "profile.h"
#include "reclaim.h"
#include "telemetry.h"

namespace tslab {

constinit Reporter reporter;

namespace {

constexpr std::uint64_t kPause = std::uint64_t{1} << 22;  // between two glances, of the cycle counter
constexpr unsigned kShare = 1000;  // one part in so many of the process's time is spent here, unasked
constexpr unsigned kStepsPerGlance = 128;
constexpr std::uint64_t kSurveyMs = 20;  // between the beginnings of two surveys, at least

// Large, and so not on anybody's stack.
constinit Survey survey{};      // who works
constinit Survey own_survey{};  // who reports
constinit Output own_output{};  // who reports
constinit Output csv_output{};  // who works

void report_on_signal(int) { reporter.answer_signal(); }
void trim_on_signal(int) { reclaim.purge_now(); }

void catch_signal(const char* name, SignalNumber number, void (*handler)(int)) {
    if (number.value == 0 || os::handle_signal(number.value, handler)) return;
    Line line;
    line.text(name).text(": signal ").number(static_cast<std::uint64_t>(number.value));
    line.text(" is not at its default here; it is left alone").send();
}

void say_unwritten(const char* name, const char* path) {
    Line().text(name).text(": ").text(path).text(" cannot be written").send();
}

void write_report(Output& output, const Survey& of, const Reported& reported) {
    switch (options.stats.format) {
        case ReportFormat::json:
            return write_json(output, of, reported);
        case ReportFormat::prometheus:
            return write_prometheus(output, of, reported);
        default:
            return write_text(output, of, reported);
    }
}

}  // namespace

void Reporter::start(const char* program) {
    strncpy(program_, program, sizeof program_ - 1);
    process_ = os::process_id();
    catch_signal("TSLAB_STATS_SIGNAL", options.stats_signal, report_on_signal);
    catch_signal("TSLAB_TRIM_SIGNAL", options.trim_signal, trim_on_signal);
    const bool profiles_on_signal = options.profile != 0 && options.stats_signal.value != 0;
    if (options.telemetry.is_set() || options.stats_interval_ms != 0 || profiles_on_signal)
        after_tick.store(glance);
}

void Reporter::end() {
    after_tick.store(nullptr);
    if (options.stats.format > ReportFormat::summary) report();
    // A thread that is at it leaves the file to be found stale.
    if (!is_of_this_process() || working_.exchange(true, std::memory_order_acquire))
        return;  // pairs with glance
    telemetry.close();
}

void Reporter::begin_generation() {
    process_ = os::process_id();
    telemetry.forget();
    surveying_ = false;
    survey_due_ms_ = 0;
    csv_due_ms_ = 0;
    csv_named_ = false;
    next_ticks_.store(0, std::memory_order_relaxed);
    next_processor_ns_ = 0;
    report_again_.store(false, std::memory_order_relaxed);
    profile_due_.store(false, std::memory_order_relaxed);
    if (reporting_.load(std::memory_order_relaxed) != &this_thread)
        reporting_.store(nullptr, std::memory_order_relaxed);
    working_.store(false, std::memory_order_relaxed);
}

// Whoever finds a report being written, perhaps by the very thread that it interrupts, has it written again.
// All sequentially consistent, since two words decide: who finds it being written has asked again before the
// writer looks whether anybody has.
void Reporter::report() {
    report_again_.store(true, std::memory_order_seq_cst);
    while (report_again_.load(std::memory_order_seq_cst)) {
        const void* nobody = nullptr;
        if (!reporting_.compare_exchange_strong(nobody, &this_thread, std::memory_order_seq_cst)) return;
        report_again_.store(false, std::memory_order_seq_cst);
        own_survey.begin();
        own_survey.finish();
        const char* const path = options.stats.path;
        bool written = path != nullptr ? own_output.begin_file(path) : own_output.begin_error();
        if (written) {
            write_report(own_output, own_survey, {program_, os::wall_clock_ns()});
            written = own_output.finish();
        }
        if (!written && path != nullptr) say_unwritten("TSLAB_STATS", path);
        reporting_.store(nullptr, std::memory_order_seq_cst);
    }
}

// A profile takes long, for a handler, and the signal may have interrupted one being written.
void Reporter::answer_signal() {
    if (options.profile != 0) profile_due_.store(true, std::memory_order_relaxed);
    if (options.stats.format != ReportFormat::none || options.profile == 0) report();
}

void Reporter::glance() {
    const std::uint64_t now = read_ticks();
    if (now < reporter.next_ticks_.load(std::memory_order_relaxed)) return;
    if (reporter.working_.load(std::memory_order_relaxed) || !reporter.is_of_this_process()) return;
    // A signal handler that forks would leave the child in the middle of this, and of its parent's files.
    const os::SignalsHeld held;
    if (reporter.working_.exchange(true, std::memory_order_acquire)) return;  // pairs with the release below
    reporter.open_telemetry();
    const std::uint64_t processor_before = os::processor_ns();
    if (processor_before >= reporter.next_processor_ns_ || reporter.is_asked()) {
        reporter.work();
        const std::uint64_t spent = os::processor_ns() - processor_before;
        reporter.next_processor_ns_ = processor_before + spent * kShare;
    }
    reporter.next_ticks_.store(now + kPause, std::memory_order_relaxed);
    reporter.working_.store(false, std::memory_order_release);
}

// A child that shares the memory, by vfork(2), or was not made through libc, has none of the files.
bool Reporter::is_of_this_process() const { return os::process_id() == process_; }

// Whoever asks waits for it.
bool Reporter::is_asked() const {
    if (profile_due_.load(std::memory_order_relaxed)) return true;
    for (unsigned kind = 0; telemetry.is_open() && kind < static_cast<unsigned>(TelemetryRequestKind::count);
         kind++) {
        if (telemetry.asked(static_cast<TelemetryRequestKind>(kind)) != 0) return true;
    }
    return false;
}

// Once, and so not part of the share.
void Reporter::open_telemetry() {
    if (!options.telemetry.is_set() || failed_ || telemetry.is_open()) return;
    slow_causes |= kCalledSystem;
    failed_ = !telemetry.open(options.telemetry.text, program_);
}

void Reporter::work() {
    if (telemetry.is_open() && telemetry.asked(TelemetryRequestKind::trim) != 0) answer_trim();
    if (telemetry.is_open() && telemetry.asked(TelemetryRequestKind::heap_profile) != 0) answer_profile();
    if (profile_due_.exchange(false, std::memory_order_relaxed)) write_profile();
    if (!surveying_) {
        const std::uint64_t now_ms = os::monotonic_ms();
        const std::uint64_t asked = telemetry.is_open() ? telemetry.asked(TelemetryRequestKind::publish) : 0;
        const bool csv_due = options.stats_interval_ms != 0 && now_ms >= csv_due_ms_;
        if (asked == 0 && !csv_due && (!telemetry.is_open() || now_ms < survey_due_ms_)) return;
        publish_asked_ = asked;
        survey_due_ms_ = now_ms + kSurveyMs;
        surveying_ = true;
        survey.begin();
    }
    if (survey.advance(kStepsPerGlance)) finish_survey();
}

void Reporter::finish_survey() {
    surveying_ = false;
    if (telemetry.is_open()) {
        telemetry.publish(survey);
        if (publish_asked_ != 0) telemetry.answer(TelemetryRequestKind::publish, publish_asked_, 0);
    }
    const std::uint64_t now_ms = os::monotonic_ms();
    if (options.stats_interval_ms != 0 && now_ms >= csv_due_ms_) append_csv(now_ms);
}

void Reporter::answer_trim() {
    const std::uint64_t number = telemetry.asked(TelemetryRequestKind::trim);
    const std::size_t bytes = reclaim.purge_now();
    slow_causes |= kCalledSystem;
    telemetry.answer(TelemetryRequestKind::trim, number, bytes);
}

bool Reporter::write_profile() {
    slow_causes |= kCalledSystem;
    return profile.write();
}

void Reporter::answer_profile() {
    const std::uint64_t number = telemetry.asked(TelemetryRequestKind::heap_profile);
    const bool written = write_profile();
    char path[kPathRoom] = "";
    if (written) profile.copy_path(path);
    telemetry.answer(TelemetryRequestKind::heap_profile, number, written, path);
}

void Reporter::append_csv(std::uint64_t now_ms) {
    csv_due_ms_ = now_ms + options.stats_interval_ms;
    slow_causes |= kCalledSystem;
    bool written = csv_output.begin_append(options.stats_csv.text);
    if (written) {
        if (!csv_named_) write_csv_names(csv_output);
        write_csv(csv_output, survey, {program_, os::wall_clock_ns()});
        written = csv_output.finish();
        csv_named_ = csv_named_ || written;
    }
    if (!written && !csv_complained_) say_unwritten("TSLAB_STATS_CSV", options.stats_csv.text);
    csv_complained_ = csv_complained_ || !written;
}

}  // namespace tslab
