// The command temporal-slab: its subcommands, their help, and what a failure looks like from outside.
#include <cstdio>
#include <cstring>
#include <exception>

#include "tools/command.h"

namespace tool {
namespace {

struct Command {
    const char* name;
    int (*run)(char** words);
    const char* synopsis;
    const char* summary;
    const char* help;
    OptionFlags flags;
};

// clang-format off
constexpr Command kCommands[] = {
    {"run", run_command, "[OPTION…] -- PROGRAM [ARGUMENT…]", "run a program with the library preloaded",
     "Replaces itself by PROGRAM, with the library preloaded: the exit status is PROGRAM's, 127 where it is not\n"
     "found and 126 where it cannot be started. Warns where a preloaded library cannot reach PROGRAM.\n\n"
     "  --library FILE        the library to preload (default: $TSLAB_LIBRARY, or the one this command came with)\n"
     "\nThe library's options, each the environment variable of the same name:\n\n", OptionFlags::all},
    {"list", list_command, "[--json]", "show the processes that have the library loaded",
     "One line a process: its number, whether the library is active in it or passes every call through, its\n"
     "name, and its telemetry file. Shows the processes whose memory map may be read.\n\n"
     "  --json                as a JSON array\n", OptionFlags::none},
    {"stat", stat_command, "PID|FILE [OPTION…]", "show a process's figures",
     "Reads the telemetry of a process that runs with TSLAB_TELEMETRY=DIR, by its number or by the file's name.\n\n"
     "  --json                every figure, as one JSON object (schema: see the man page)\n"
     "  --prometheus          every figure, as Prometheus exposition text\n"
     "  --watch               again at every interval, until the process ends\n"
     "  --interval SECONDS    how often (default 1)\n"
     "  --as-published        do not ask the process to bring its figures up to date\n", OptionFlags::none},
    {"top", top_command, "[OPTION…]", "watch all processes with telemetry",
     "Resident against live memory, rate, slow-path share and pinned memory of each process, the largest first.\n"
     "In a terminal the screen is kept up to date; q ends it. In a pipe it prints plain text, once.\n\n"
     "  --latency             how long calls take, where TSLAB_LATENCY times them (l does it too, and ends it)\n"
     "  --dir DIR             the processes whose telemetry is in DIR (default: $TSLAB_TELEMETRY, or all found)\n"
     "  --interval SECONDS    how often (default 1)\n"
     "  --count N             end after N times; in a pipe, print as often (default 1 there)\n", OptionFlags::none},
    {"trim", trim_command, "PID|FILE [--timeout SECONDS]", "ask a process to give unused memory back",
     "Asks by way of the telemetry file and waits for the answer. The process does it in one of its next slow\n"
     "calls: one that does not allocate does not answer, which costs exit status 1.\n\n"
     "  --timeout SECONDS     how long to wait (default 5)\n", OptionFlags::none},
    {"profile", profile_command, "PID|FILE [OPTION…]", "ask a process for its profile",
     "Asks a process that runs with TSLAB_PROFILE and TSLAB_TELEMETRY to write its profile, and prints it.\n\n"
     "  --kind KIND           heap (for pprof, the default), pinners, folded or lifetimes\n"
     "  --output FILE, -o     write it there instead of printing it\n"
     "  --timeout SECONDS     how long to wait (default 5)\n", OptionFlags::none},
    {"fit", fit_command, "[OPTION…] -- PROGRAM [ARGUMENT…]", "tell whether the library suits a program",
     "Runs PROGRAM once with the library and once without it, and tells in plain words whether its requests\n"
     "suit the library, what memory it took either way, and which settings to try. End a program that does\n"
     "not end by itself as always, or with --for. The exit status is 0 where the program fits, 1 where not.\n\n"
     "  --once                without the second run\n"
     "  --for SECONDS         end each run with SIGTERM after so long, and with SIGKILL 10 s later\n"
     "  --library FILE        as for run\n"
     "\nThe library's options, as for run, but those that report the figures:\n\n", OptionFlags::all_but_figures},
    {"report", report_command, "FILE… -o OUT.html [--title TEXT]", "draw figures as one HTML page",
     "Draws charts of the figures in each FILE, as one page that needs nothing else. A FILE is what\n"
     "TSLAB_STATS_INTERVAL_MS appends to, what a driver of bench/ prints, or folded call stacks.\n\n"
     "  -o, --output FILE     where to write the page\n"
     "  --title TEXT          its heading\n", OptionFlags::none},
};
// clang-format on

void print_overview(std::FILE* to) {
    std::fputs("usage: temporal-slab COMMAND [ARGUMENT…]\n\n", to);
    for (const Command& command : kCommands) std::fprintf(to, "  %-9s %s\n", command.name, command.summary);
    std::fputs(
        "\n  --help     show this, or a command's own help behind its name\n"
        "  --version  show the version\n",
        to);
}

void print_help(const Command& command) {
    std::printf("usage: temporal-slab %s %s\n\n%s", command.name, command.synopsis, command.help);
    std::fputs(option_flags_help(command.flags).c_str(), stdout);
    std::puts("  --help                show this");
}

const Command* find(const char* name) {
    for (const Command& command : kCommands)
        if (std::strcmp(command.name, name) == 0) return &command;
    return nullptr;
}

bool is_help(const char* word) { return std::strcmp(word, "--help") == 0 || std::strcmp(word, "-h") == 0; }

// What `act` answers, or the exit status of its failure, said as that of `whom`.
template <typename Act>
int attempt(const std::string& whom, Act act) {
    try {
        const int status = act();
        flush_output();
        return status;
    } catch (const Said& said) {
        return said.status;
    } catch (const BadUsage& what) {
        std::fprintf(stderr, "%s: %s (see %s --help)\n", whom.c_str(), what.what(), whom.c_str());
        return 2;
    } catch (const std::exception& what) {
        std::fprintf(stderr, "%s: %s\n", whom.c_str(), what.what());
        return 1;
    }
}

int run(char** words) {
    if (*words == nullptr) {
        print_overview(stderr);
        return 2;
    }
    const char* const name = *words++;
    if (const Command* const command = find(name)) {
        return attempt(std::string("temporal-slab ") + name, [command, words] {
            if (*words == nullptr || !is_help(*words)) return command->run(words);
            print_help(*command);
            return 0;
        });
    }
    return attempt("temporal-slab", [name] {
        if (is_help(name)) {
            print_overview(stdout);
        } else if (std::strcmp(name, "--version") == 0) {
            std::puts("temporal-slab " TSLAB_VERSION);
        } else {
            throw BadUsage("'" + std::string(name) + "' is no command");
        }
        return 0;
    });
}

}  // namespace

void fail_with_errno(const std::string& what, int error) {
    throw Failure(what + ": " + std::strerror(error));
}

void flush_output() {
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
        throw Failure("cannot write to standard output");
}

}  // namespace tool

int main(int, char** argv) { return tool::run(argv + 1); }
