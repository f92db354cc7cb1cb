// temporal-slab trim: asks a process to give unused memory back, and says what came of it.
#include <cstdio>

#include "tools/figures.h"
#include "tools/request.h"

namespace tool {

int trim_command(char** words) {
    Request request;
    for (Arguments arguments(words); arguments.next();) {
        if (!request.takes(arguments)) arguments.refuse();
    }
    Telemetry telemetry = request.open();
    const std::optional<Answer> answer =
        telemetry.ask("trim", std::chrono::duration<double>(request.timeout));
    if (answer) {
        std::printf("process %d gave %s back\n", telemetry.pid(), bytes_text(answer->value).c_str());
        return 0;
    }
    if (!telemetry.is_alive()) throw Request::has_ended(telemetry);
    std::printf(
        "not yet: process %d has made no slow call for %g s; it will do it in its next one\n"
        "(at once, where it runs with TSLAB_TRIM_SIGNAL and is sent that signal)\n",
        telemetry.pid(), request.timeout);
    return 1;
}

}  // namespace tool
