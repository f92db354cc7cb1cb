// Names for code addresses, from the symbols in the files that are mapped there. Nothing is allocated, and
// the loader is not asked: it may wait for constructors that wait for this thread, and what it locks for an
// answer stays locked in the child that another thread forks meanwhile.
#pragma once

#include "output.h"

namespace tslab {

// Large: not for the stacks of the program's threads.
class Symbols {
  public:
    // Finds out what is mapped, by /proc/self/maps; where that cannot be read, nothing is known to be.
    void begin();
    // Lets go of the file that was looked into last.
    void finish();

    // Writes the name of the function that a call returns to, as it stands in the file. Where there is none,
    // the file's name and the offset from where the file begins in memory; where no file is known, the
    // address.
    void write(Output& output, std::uintptr_t return_address);

  private:
    // A part of a file, mapped as code.
    struct Part {
        std::uintptr_t start;
        std::uintptr_t end;
        std::uintptr_t base;  // where the file begins in memory
        std::uint64_t inode;  // another may have come under its name since
        const char* path;
    };

    void add(const char* line);
    const char* find_in_file(const Part& part, std::uintptr_t address);

    unsigned count_;  // of parts; there is room for those of most programs
    Part parts_[512];
    std::size_t paths_length_;
    char paths_[64 * 1024];
    // Of the last line's file.
    std::uintptr_t base_;
    std::uint64_t inode_;
    char text_[8192];  // read; longer than any line

    const Part* mapped_;  // whose file is mapped, or was to be
    const std::byte* content_;
    std::size_t bytes_;
};

}  // namespace tslab
