#include "tools/processes.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tool {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLibraryName = "libtemporal_slab.so";
constexpr const char* kTelemetryName = "tslab.";

std::string in_proc(pid_t pid, const char* name) { return "/proc/" + std::to_string(pid) + "/" + name; }

// What is told of memory, which a process shows of its first thread: of another, where that one has ended.
std::ifstream open_of_memory(pid_t pid, const char* name) {
    std::ifstream file(in_proc(pid, name));
    const auto is_empty = [](std::ifstream& opened) {
        return opened.peek() == std::ifstream::traits_type::eof();
    };
    if (!file || !is_empty(file)) return file;
    std::error_code none;
    for (const fs::directory_entry& thread : fs::directory_iterator(in_proc(pid, "task"), none)) {
        std::ifstream of_thread(thread.path() / name);
        if (!is_empty(of_thread)) return of_thread;
    }
    return file;
}

bool starts_with_file_name(const std::string& path, const char* start) {
    return path.compare(path.rfind('/') + 1, std::string(start).size(), start) == 0;
}

// The path of a line of maps; empty for memory without a file.
std::string path_of(const std::string& line) {
    const std::size_t at = line.find('/');
    return at == std::string::npos ? "" : line.substr(at);
}

bool all_digits(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

// A path as that process sees it, which may live below another root.
std::string as_seen_by(pid_t pid, const std::string& path) {
    std::error_code none;
    return fs::exists(path, none) ? path : in_proc(pid, "root") + path;
}

// Whole: a process's name may hold line ends.
std::string content_of(const std::string& path) {
    std::ostringstream content;
    content << std::ifstream(path).rdbuf();
    return content.str();
}

std::string name_of(pid_t pid) {
    const std::string line = content_of(in_proc(pid, "comm"));
    return line.substr(0, line.rfind('\n'));
}

}  // namespace

std::optional<Process> look_at(pid_t pid) {
    std::ifstream maps = open_of_memory(pid, "maps");
    if (!maps) return std::nullopt;
    Process process{pid, name_of(pid), "", ""};
    for (std::string line; std::getline(maps, line);) {
        const std::string path = path_of(line);
        if (path.empty()) continue;
        if (process.library.empty() && names_library(path)) process.library = path;
        const bool shared = line.find("s ", line.find(' ')) < line.find(' ', line.find(' ') + 1);
        const bool ours = shared && starts_with_file_name(path, kTelemetryName) &&
                          all_digits(path.substr(path.rfind(kTelemetryName) + 6));
        if (ours) process.telemetry = as_seen_by(pid, path);
    }
    return process;
}

std::vector<Process> processes_with_library() {
    std::vector<Process> found;
    std::error_code none;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc", none)) {
        const std::string name = entry.path().filename();
        if (!all_digits(name)) continue;
        std::optional<Process> process = look_at(std::stoi(name));
        if (process && !process->library.empty()) found.push_back(*process);
    }
    std::sort(found.begin(), found.end(), [](const Process& a, const Process& b) { return a.pid < b.pid; });
    return found;
}

// Its mark among all mappings: reserved without swap, without huge pages, left out of core dumps.
bool has_reservation(pid_t pid) {
    std::ifstream smaps = open_of_memory(pid, "smaps");
    for (std::string line; std::getline(smaps, line);) {
        if (!line.starts_with("VmFlags:")) continue;
        const auto has = [&line](const char* flag) { return line.find(flag) != std::string::npos; };
        if (has(" nr") && has(" nh") && has(" dd") && !has(" wr")) return true;
    }
    return false;
}

bool names_library(const std::string& path) { return starts_with_file_name(path, kLibraryName); }

bool is_alive(pid_t pid) { return kill(pid, 0) == 0 || errno == EPERM; }

std::uint64_t start_time(pid_t pid) {
    const std::string text = content_of(in_proc(pid, "stat"));
    const std::size_t after_name = text.rfind(')');
    if (after_name == std::string::npos) return 0;
    std::istringstream fields(text.substr(after_name + 1));
    std::string state;
    std::string skipped;
    int threads = 0;
    std::uint64_t ticks = 0;
    fields >> state;
    for (int field = 4; field < 20; field++) fields >> skipped;
    fields >> threads >> skipped >> ticks;
    // It has ended, and nobody has waited for it; or only its first thread has, which is still counted.
    const bool is_dead = state == "Z" || state == "X";
    return is_dead && threads <= 1 ? 0 : ticks;
}

std::uint64_t resident_bytes(pid_t pid) {
    std::ifstream file(in_proc(pid, "statm"));
    std::uint64_t size = 0;
    std::uint64_t resident = 0;
    file >> size >> resident;
    return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::vector<pid_t> tree_of(pid_t pid) {
    std::vector<pid_t> tree{pid};
    for (std::size_t at = 0; at < tree.size(); at++) {
        std::error_code none;
        for (const fs::directory_entry& thread : fs::directory_iterator(in_proc(tree[at], "task"), none)) {
            std::ifstream children(thread.path() / "children");
            for (pid_t child; children >> child;) tree.push_back(child);
        }
    }
    return tree;
}

}  // namespace tool
