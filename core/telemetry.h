// The telemetry file of this process: made, written, and removed. See telemetry_format.h for what readers are
// promised. One thread at a time.
#pragma once

#include "figures.h"

namespace tslab {

enum class TelemetryRequestKind : unsigned { trim, publish, heap_profile, count };

class Telemetry {
  public:
    // Makes DIR/tslab.PID; a file of that name is of a process that is no more. False, with one line on
    // stderr, where it cannot be had.
    bool open(const char* folder, const char* program);
    void publish(const Survey& survey);
    void close();  // and removes it

    // In a forked child: the file is the parent's.
    void forget();

    bool is_open() const { return header_ != nullptr; }

    // The number that a reader's request has reached, where it is not answered yet; 0 where it is.
    std::uint64_t asked(TelemetryRequestKind kind) const;
    void answer(TelemetryRequestKind kind, std::uint64_t number, std::uint64_t value, const char* path = "");

  private:
    TelemetryRequest& request(TelemetryRequestKind kind) const;
    std::uint64_t* row(unsigned section, unsigned i) const;

    TelemetryHeader* header_ = nullptr;
    char path_[256]{};
};

TSLAB_INTERNAL extern constinit Telemetry telemetry;

}  // namespace tslab
