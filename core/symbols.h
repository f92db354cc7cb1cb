// Names for code addresses, from the symbols in the files that are mapped there. Nothing is allocated, and
// the loader is not asked: it may wait for constructors that wait for this thread, and what it locks for an
// answer stays locked in the child that another thread forks meanwhile.
#pragma once

#include "output.h"

namespace tslab {

// Large: not for the stacks of the program's threads.
class Symbols {
  public:
    // Finds out what is mapped; where proc(5) is not to be had, nothing is known to be.
    void begin();
    // Lets go of the files that were looked into.
    void finish();

    // Writes the name of the function that a call returns to, as it stands in the file. Where there is none,
    // the file's name and the address there, as addr2line takes it, or the offset where the file cannot be
    // read; where no file is known, the address in memory.
    void write(Output& output, std::uintptr_t return_address);

  private:
    // A part of a file, mapped as code.
    struct Part {
        std::uintptr_t start;
        std::uintptr_t end;
        std::uint64_t offset;  // of its start, in the file
        std::uint64_t inode;   // another may have come under its name since
        const char* path;
        bool is_mapped;            // or cannot be
        const std::byte* content;  // the whole file; null before it is mapped, and where it cannot be
        std::size_t bytes;
    };
    struct Known {
        std::uintptr_t address;
        const char* name;  // null where there is none
    };

    void add(const char* line);
    void map(Part& part);
    const char* name_of(const Part& part, std::uintptr_t address, std::uintptr_t in_file);

    unsigned count_;  // of parts; there is room for those of most programs
    Part parts_[512];
    std::size_t paths_length_;
    char paths_[64 * 1024];
    char text_[8192];    // of lines that are read
    Known known_[4096];  // by the address's low bits: tables are long, and stacks have most frames in common
};

}  // namespace tslab
