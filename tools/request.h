// The words by which a process is asked something: which one, and how long to wait for its answer.
#pragma once

#include "tools/arguments.h"
#include "tools/telemetry.h"

namespace tool {

struct Request {
    std::string target;
    double timeout = 5;

    // Whether the word is one of these.
    bool takes(Arguments& arguments) {
        if (arguments.is_operand() && target.empty()) {
            target = arguments.word();
        } else if (arguments.is("--timeout")) {
            timeout = arguments.seconds(0, 3600);
        } else {
            return false;
        }
        return true;
    }

    // Throws where no process is meant, or it is not there any more.
    Telemetry open() const {
        if (target.empty()) throw BadUsage("which process?");
        Telemetry telemetry = open_telemetry(target);
        if (!telemetry.is_alive()) throw has_ended(telemetry);
        return telemetry;
    }

    static Failure has_ended(const Telemetry& telemetry) {
        return Failure("process " + std::to_string(telemetry.pid()) + " has ended");
    }
};

}  // namespace tool
