// temporal-slab profile: asks a process for its heap profile, and passes on what it wrote.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/arguments.h"
#include "tools/telemetry.h"

namespace tool {

int profile_command(char** words) {
    std::string target;
    std::string output;
    double timeout = 5;
    for (Arguments arguments(words); arguments.next();) {
        if (arguments.is_operand() && target.empty()) {
            target = arguments.word();
        } else if (arguments.is("--output") || arguments.is("-o")) {
            output = arguments.value();
        } else if (arguments.is("--timeout")) {
            timeout = arguments.seconds(0, 3600);
        } else {
            arguments.refuse();
        }
    }
    if (target.empty()) throw BadUsage("which process?");
    Telemetry telemetry = open_telemetry(target);
    const std::string pid = std::to_string(telemetry.pid());
    if (!telemetry.is_alive()) throw Failure("process " + pid + " has ended");
    const std::optional<Answer> answer = telemetry.ask("profile", std::chrono::duration<double>(timeout));
    if (!answer) throw Failure("not yet: process " + pid + " has made no slow call for so long");
    if (answer->path.empty())
        throw Failure("process " + pid + " has no profile: start it with TSLAB_PROFILE=BYTES");
    std::ifstream file(answer->path, std::ios::binary);
    if (!file) file.open("/proc/" + pid + "/root" + answer->path, std::ios::binary);
    if (!file) fail_with_errno(answer->path, errno);
    std::ostringstream text;
    text << file.rdbuf();
    if (output.empty()) {
        std::fwrite(text.str().data(), 1, text.str().size(), stdout);
        return 0;
    }
    std::ofstream copy(output, std::ios::binary);
    if (!(copy << text.str()) || !copy.flush()) fail_with_errno(output, errno);
    return 0;
}

}  // namespace tool
