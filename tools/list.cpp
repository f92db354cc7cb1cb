// temporal-slab list: who has the library loaded.
#include <cstdio>

#include "tools/arguments.h"
#include "tools/json.h"
#include "tools/processes.h"

namespace tool {

int list_command(char** words) {
    bool json = false;
    for (Arguments arguments(words); arguments.next();) {
        if (arguments.is("--json")) {
            json = true;
        } else {
            arguments.refuse();
        }
    }
    const std::vector<Process> found = processes_with_library();
    if (!json) std::printf("%7s  %-8s  %-16s  %s\n", "PID", "STATE", "NAME", "TELEMETRY");
    const char* before = "[";
    for (const Process& process : found) {
        const char* const state =
            !process.telemetry.empty() || has_reservation(process.pid) ? "active" : "passing";
        if (json) {
            std::printf("%s{\"pid\":%d,\"state\":%s,\"name\":%s,\"library\":%s,\"telemetry\":%s}", before,
                        process.pid, quoted(state).c_str(), quoted(process.name).c_str(),
                        quoted(process.library).c_str(), quoted(process.telemetry).c_str());
            before = ",\n ";
        } else {
            std::printf("%7d  %-8s  %-16s  %s\n", process.pid, state, printable(process.name).c_str(),
                        process.telemetry.empty() ? "-" : printable(process.telemetry).c_str());
        }
    }
    if (json) std::puts(found.empty() ? "[]" : "]");
    return 0;
}

}  // namespace tool
