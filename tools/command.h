// What the subcommands share: how one is declared, and how it fails.
#pragma once

#include <stdexcept>
#include <string>

namespace tool {

// A command line that cannot be meant: one line on stderr, exit status 2.
struct BadUsage : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// What was asked for cannot be done: one line on stderr, exit status 1.
struct Failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A failure that has been said already.
struct Said {
    int status;
};

// "what: " and the text of an errno.
[[noreturn]] void fail_with_errno(const std::string& what, int error);

// Throws Failure where not all that was printed could be written.
void flush_output();

inline constexpr int kNotExecutable = 126;  // as shells answer for a program that cannot be started
inline constexpr int kNotFound = 127;

// `words` are those after the command's name, the last one null. The answer is the exit status.
int run_command(char** words);
int list_command(char** words);
int stat_command(char** words);
int top_command(char** words);
int trim_command(char** words);
int profile_command(char** words);
int fit_command(char** words);
int report_command(char** words);

// Which of the library's options a command takes as flags; `fit` gathers the figures itself.
enum class OptionFlags { none, all, all_but_figures };

// These flags, a line each.
std::string option_flags_help(OptionFlags which);

}  // namespace tool
