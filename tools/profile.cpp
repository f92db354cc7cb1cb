// temporal-slab profile: asks a process for its profile, and passes on what it wrote.
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/request.h"

namespace tool {
namespace {

constexpr const char* kKinds[] = {"heap", "pinners", "folded", "lifetimes"};

std::string kind_of(Arguments& arguments) {
    const std::string kind = arguments.value();
    for (const char* known : kKinds) {
        if (kind == known) return kind;
    }
    throw BadUsage("--kind is one of heap, pinners, folded and lifetimes, not '" + kind + "'");
}

// The process names its heap profile as it sees it itself: in its folder, below its root.
std::string found_path(const std::string& pid, const std::string& heap_path, const std::string& kind) {
    const std::filesystem::path named = std::filesystem::path(heap_path).replace_extension(kind);
    if (named.is_relative()) return "/proc/" + pid + "/cwd/" + named.string();
    return std::filesystem::exists(named) ? named.string() : "/proc/" + pid + "/root" + named.string();
}

std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail_with_errno(path, errno);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

int profile_command(char** words) {
    Request request;
    std::string output;
    std::string kind = "heap";
    for (Arguments arguments(words); arguments.next();) {
        if (request.takes(arguments)) continue;
        if (arguments.is("--output") || arguments.is("-o")) {
            output = arguments.value();
        } else if (arguments.is("--kind")) {
            kind = kind_of(arguments);
        } else {
            arguments.refuse();
        }
    }
    Telemetry telemetry = request.open();
    const std::string pid = std::to_string(telemetry.pid());
    const std::optional<Answer> answer =
        telemetry.ask("profile", std::chrono::duration<double>(request.timeout));
    if (!answer && !telemetry.is_alive()) throw Request::has_ended(telemetry);
    if (!answer) throw Failure("not yet: process " + pid + " has made no slow call for so long");
    if (answer->path.empty())
        throw Failure("process " + pid + " has written no profile: start it with TSLAB_PROFILE=BYTES");
    const std::string text = read(found_path(pid, answer->path, kind));
    if (output.empty()) {
        std::fwrite(text.data(), 1, text.size(), stdout);
        return 0;
    }
    std::ofstream copy(output, std::ios::binary);
    if (!(copy << text) || !copy.flush()) fail_with_errno(output, errno);
    return 0;
}

}  // namespace tool
