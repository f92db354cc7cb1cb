// temporal-slab stat: one process's figures, as text, JSON or Prometheus exposition text.
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "tools/arguments.h"
#include "tools/figures.h"
#include "tools/formats.h"

namespace tool {
namespace {

constexpr std::chrono::duration<double> kPatience{0.25};  // for figures that are up to date

}  // namespace

int stat_command(char** words) {
    std::string target;
    bool watch = false;
    bool as_published = false;
    double interval = 1;
    std::string (*format)(const Telemetry&, const Snapshot&) = text_of;
    for (Arguments arguments(words); arguments.next();) {
        if (arguments.is_operand() && target.empty()) {
            target = arguments.word();
        } else if (arguments.is("--json")) {
            format = json_of;
        } else if (arguments.is("--prometheus")) {
            format = prometheus_of;
        } else if (arguments.is("--watch")) {
            watch = true;
        } else if (arguments.is("--interval")) {
            interval = arguments.seconds(0.05, 3600);
        } else if (arguments.is("--as-published")) {
            as_published = true;
        } else {
            arguments.refuse();
        }
    }
    if (target.empty()) throw BadUsage("which process?");
    Telemetry telemetry = open_telemetry(target);
    if (!telemetry.is_alive())
        std::fprintf(stderr, "temporal-slab stat: process %d has ended; these are its last figures\n",
                     telemetry.pid());
    for (;;) {
        if (!as_published && telemetry.is_alive()) telemetry.ask("publish", kPatience);
        if (watch && format == text_of && isatty(STDOUT_FILENO) != 0) std::fputs("\033[H\033[2J", stdout);
        std::fputs(format(telemetry, telemetry.snapshot()).c_str(), stdout);
        if (!watch || !telemetry.is_alive()) return 0;
        flush_output();
        std::this_thread::sleep_for(std::chrono::duration<double>(interval));
    }
}

}  // namespace tool
