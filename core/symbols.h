// Names for code addresses, from the symbols in the files that the loader loaded. Nothing is allocated: files
// are mapped while names are looked up.
#pragma once

#include "output.h"

namespace tslab {

class Symbols {
  public:
    Symbols() = default;
    ~Symbols() { forget(); }
    Symbols(const Symbols&) = delete;
    Symbols& operator=(const Symbols&) = delete;

    // Writes the name of the function that a call returns to: the symbol as it stands in the file, and where
    // there is none, the file's name and the offset in it.
    void write(Output& output, std::uintptr_t return_address);

  private:
    struct Loaded;
    const char* find_in_file(const Loaded& loaded);
    void forget();

    std::uintptr_t base_ = 0;  // of the file that is mapped now, or was to be
    const std::byte* content_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace tslab
