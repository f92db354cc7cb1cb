// temporal-slab trim: asks a process to give unused memory back, and says what came of it.
#include <cstdio>

#include "tools/arguments.h"
#include "tools/figures.h"

namespace tool {

int trim_command(char** words) {
    std::string target;
    double timeout = 5;
    for (Arguments arguments(words); arguments.next();) {
        if (arguments.is_operand() && target.empty()) {
            target = arguments.word();
        } else if (arguments.is("--timeout")) {
            timeout = arguments.seconds(0, 3600);
        } else {
            arguments.refuse();
        }
    }
    if (target.empty()) throw BadUsage("which process?");
    Telemetry telemetry = open_telemetry(target);
    if (!telemetry.is_alive()) throw Failure("process " + std::to_string(telemetry.pid()) + " has ended");
    const std::optional<Answer> answer = telemetry.ask("trim", std::chrono::duration<double>(timeout));
    if (answer) {
        std::printf("process %d gave %s back\n", telemetry.pid(), bytes_text(answer->value).c_str());
        return 0;
    }
    if (!telemetry.is_alive()) throw Failure("process " + std::to_string(telemetry.pid()) + " has ended");
    std::printf(
        "not yet: process %d has made no slow call for %g s; it will do it in its next one\n"
        "(at once, where it runs with TSLAB_TRIM_SIGNAL and is sent that signal)\n",
        telemetry.pid(), timeout);
    return 1;
}

}  // namespace tool
