#include "tools/launch.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <type_traits>

#include "core/options.h"
#include "tools/elf.h"
#include "tools/processes.h"

namespace tool {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kHelpAt = 24;  // columns to the left of what an option means

struct OptionFlag {
    std::string flag;  // --min-size
    std::string variable;
    const char* help;
    bool is_switch;
};

std::string flag_of(std::string variable) {
    for (char& c : variable) c = c == '_' ? '-' : static_cast<char>(std::tolower(c));
    return "--" + variable.substr(std::strlen("TSLAB_"));
}

const std::vector<OptionFlag>& option_flags() {
    static const std::vector<OptionFlag> flags = {
#define TSLAB_FLAG(kind, field, name, value, least, largest, help) \
    {flag_of(name), name, help, std::is_same_v<tslab::option_types::kind, bool>},
        TSLAB_OPTIONS(TSLAB_FLAG)
#undef TSLAB_FLAG
    };
    return flags;
}

// run_trial sets these.
bool is_of_figures(const OptionFlag& option) {
    return option.variable == "TSLAB_STATS" || option.variable == "TSLAB_STATS_SIGNAL" ||
           option.variable == "TSLAB_TELEMETRY";
}

// As the library itself reads it, in its own words where it does not.
void check_setting(const OptionFlag& option, const std::string& value) {
    if (!tslab::Options::understands(option.variable.c_str(), value.c_str(), option.flag.c_str()))
        throw Said{2};
}

// Where the library lies beside this command: in a build tree, or below the same prefix.
std::string library_beside_command() {
    const fs::path folder = fs::read_symlink("/proc/self/exe").parent_path().parent_path();
    for (const char* place : {"preload/libtemporal_slab.so", TSLAB_LIBRARY_DIR "/libtemporal_slab.so.1"}) {
        const fs::path file = folder / place;
        if (fs::exists(file)) return file;
    }
    throw Failure("found no libtemporal_slab.so beside " + folder.string() +
                  ": name it with --library or TSLAB_LIBRARY");
}

std::string find_library(const std::string& asked_for) {
    const char* const variable = std::getenv("TSLAB_LIBRARY");
    const bool named = variable != nullptr && *variable != 0;
    std::string library = !asked_for.empty() ? asked_for : named ? variable : library_beside_command();
    if (!fs::exists(library)) throw Failure("there is no library " + library);
    library = fs::absolute(library);
    if (library.find_first_of(" \t\n:") != std::string::npos)
        throw Failure("LD_PRELOAD cannot hold a path with a space or a colon: " + library);
    return library;
}

}  // namespace

std::string option_flags_help(OptionFlags which) {
    std::string help;
    if (which == OptionFlags::none) return help;
    for (const OptionFlag& option : option_flags()) {
        if (which == OptionFlags::all_but_figures && is_of_figures(option)) continue;
        std::string line = "  " + option.flag + (option.is_switch ? "[=0|1]" : " VALUE");
        if (line.size() >= kHelpAt) {
            help += line + "\n";
            line.clear();
        }
        line.resize(kHelpAt, ' ');
        help += line + option.help + "\n";
    }
    return help;
}

Environment::Environment() {
    for (char** entry = environ; *entry != nullptr; entry++) {
        const char* const equals = std::strchr(*entry, '=');
        if (equals != nullptr)
            values_[std::string(*entry, static_cast<std::size_t>(equals - *entry))] = equals + 1;
    }
}

void Environment::preload(const std::string& library) {
    std::string& chain = values_["LD_PRELOAD"];
    chain = chain.empty() ? library : library + ":" + chain;
}

void Environment::leave_library_out() {
    std::string chain = values_["LD_PRELOAD"];
    std::replace(chain.begin(), chain.end(), ' ', ':');  // ld.so(8) takes either
    remove("LD_PRELOAD");
    std::istringstream libraries(chain);
    std::string others;
    for (std::string library; std::getline(libraries, library, ':');) {
        if (!library.empty() && !names_library(library)) others += (others.empty() ? "" : ":") + library;
    }
    if (!others.empty()) set("LD_PRELOAD", others);
}

char** Environment::entries() {
    lines_.clear();
    pointers_.clear();
    for (const auto& [name, value] : values_) lines_.push_back(name + "=" + value);
    for (std::string& line : lines_) pointers_.push_back(line.data());
    pointers_.push_back(nullptr);
    return pointers_.data();
}

bool LaunchOptions::take(Arguments& words) {
    if (words.is("--library")) {
        library_ = words.value();
        return true;
    }
    for (const OptionFlag& option : option_flags()) {
        if (!words.is(option.flag)) continue;
        if (which_ == OptionFlags::all_but_figures && is_of_figures(option))
            throw BadUsage(option.flag + " is not to be had here: the figures are gathered for the verdict");
        const bool bare_switch = option.is_switch && !words.has_value();
        settings_[option.variable] = bare_switch ? "1" : words.value();
        check_setting(option, settings_[option.variable]);
        return true;
    }
    return false;
}

Environment LaunchOptions::environment() const {
    Environment environment;
    environment.preload(find_library(library_));
    environment.remove("TSLAB_LIBRARY");
    for (const auto& [name, value] : settings_) environment.set(name, value);
    return environment;
}

std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return fs::exists(name) ? name : "";
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/bin:/usr/bin");
    std::string blocked;
    for (std::string folder; std::getline(folders, folder, ':');) {
        const std::string file = (folder.empty() ? "." : folder) + "/" + name;
        if (!fs::is_regular_file(file)) continue;
        if (access(file.c_str(), X_OK) == 0) return file;
        if (blocked.empty()) blocked = file;
    }
    return blocked;
}

void warn_if_out_of_reach(const std::string& program) {
    const char* const obstacle = obstacle_of(kind_of(program));
    if (*obstacle != 0) std::fprintf(stderr, "temporal-slab: warning: %s %s\n", program.c_str(), obstacle);
}

int execute(const std::string& program, char** words, char** environment) {
    execve(program.c_str(), words, environment);
    const int error = errno;
    std::fprintf(stderr, "temporal-slab: %s: %s\n", program.c_str(), std::strerror(error));
    return error == ENOENT ? kNotFound : kNotExecutable;
}

}  // namespace tool
