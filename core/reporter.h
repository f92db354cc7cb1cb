// Brings the figures out of the process: at exit, on a signal, as lines of CSV and through the telemetry
// file. What runs while the program runs does so in slow calls of the program: a bounded piece each, and
// never more than a small share of the time.
#pragma once

#include "report.h"

namespace tslab {

class Reporter {
  public:
    // As the options ask. Called once, when requests are served.
    void start(const char* program);
    // The last report. Nothing is published any more.
    void end();

    // In a forked child: what was under way is nobody's, and the files are the parent's.
    void begin_generation();

    // The whole report, now. May interrupt anything, itself too.
    void report();
    // The same on a signal, and the profile, where there is one, in a slow call soon after.
    void answer_signal();

  private:
    static void glance();
    bool is_of_this_process() const;
    bool is_asked() const;
    void open_telemetry();
    void work();
    void finish_survey();
    void answer_trim();
    void answer_profile();
    bool write_profile();
    void append_csv(std::uint64_t now_ms);

    std::atomic<std::uint64_t> next_ticks_{};  // any: no glance before the cycle counter is there
    std::atomic<bool> working_{};              // any; a try-lock: nobody waits for it
    std::atomic<const void*> reporting_{};     // any; a try-lock: the thread that has it
    std::atomic<bool> report_again_{};         // any: asked for while one was being written
    std::atomic<bool> profile_due_{};          // any
    bool surveying_ = false;                   // who works, as all below
    bool failed_ = false;                      // the telemetry file cannot be had
    std::uint64_t next_processor_ns_ = 0;      // no work before the process has had so much of the processor
    std::uint64_t survey_due_ms_ = 0;
    std::uint64_t csv_due_ms_ = 0;
    bool csv_named_ = false;           // its first line is written
    bool csv_complained_ = false;      // one line for all that cannot be written
    std::uint64_t publish_asked_ = 0;  // the request that the survey under way answers
    char program_[64]{};               // fixed
    int process_ = 0;                  // fixed, but for a forked child: whose files these are
};

TSLAB_INTERNAL extern constinit Reporter reporter;

}  // namespace tslab
