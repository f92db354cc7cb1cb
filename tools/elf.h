// What kind of program a file is, as far as preloading a library goes: read off the file, which is never run.
#pragma once

#include <string>

namespace tool {

enum class ProgramKind {
    dynamic,        // glibc's loader starts it, and preloads
    statically,     // nothing is loaded into it
    musl,           // another C library
    go,             // allocates by itself, whether it is static or not
    other_machine,  // for another processor or word size
    setuid,         // the loader ignores LD_PRELOAD
    no_program,     // neither ELF nor a script
};

// Of a script, the kind of its interpreter.
ProgramKind kind_of(const std::string& path);

// Why a preloaded library does nothing in such a program; empty for a dynamic one.
const char* obstacle_of(ProgramKind kind);

}  // namespace tool
