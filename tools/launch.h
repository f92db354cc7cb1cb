// Starting a program with the library preloaded: which library, which environment, which options as flags.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/arguments.h"

namespace tool {

// The environment of a program to start, made from this process's own.
class Environment {
  public:
    Environment();

    void set(const std::string& name, const std::string& value) { values_[name] = value; }
    void remove(const std::string& name) { values_.erase(name); }
    bool has(const std::string& name) const { return values_.contains(name); }
    void preload(const std::string& library);  // before what is preloaded already
    void leave_library_out();                  // of what is preloaded already, whichever build of it

    // Valid until the next change.
    char** entries();

  private:
    std::map<std::string, std::string> values_;
    std::vector<std::string> lines_;
    std::vector<char*> pointers_;
};

// The options that `run` and `fit` share.
class LaunchOptions {
  public:
    explicit LaunchOptions(OptionFlags which) : which_(which) {}

    // Whether this word is one of them; takes its value.
    bool take(Arguments& words);

    // The environment with the library in it and the options set. Throws where no library is found.
    Environment environment() const;

  private:
    OptionFlags which_;
    std::string library_;
    std::map<std::string, std::string> settings_;
};

// The file that execvp(3) would run; empty where there is none.
std::string find_program(const std::string& name);

// Says on stderr why a preloaded library will not reach the program, where that is so.
void warn_if_out_of_reach(const std::string& program);

// Replaces this process, or answers 126 or 127 having said why in a line.
int execute(const std::string& program, char** words, char** environment);

}  // namespace tool
