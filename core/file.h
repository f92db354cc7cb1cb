// A text file as it is being written: under another name until it is complete. No allocation, no stdio.
#pragma once

#include "base.h"

namespace tslab {

class File {
  public:
    static constexpr std::size_t kLongestPath = 240;

    // Paths that are longer, or cannot be written, make finish() answer false.
    explicit File(const char* path);
    ~File() { finish(); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    File& text(const char* text);
    File& text(const char* text, std::size_t bytes);
    File& number(std::uint64_t value, unsigned width = 0);  // with spaces before it, up to `width`
    File& hex(std::uint64_t value);                         // 0x…

    // Under its own name from here on. False, and there is no file, where something of it is missing.
    bool finish();

  private:
    void flush();

    char path_[kLongestPath + 1];
    char path_meanwhile_[kLongestPath + 16];
    int file_ = -1;
    bool failed_ = false;
    std::size_t length_ = 0;
    char buffer_[4096];
};

}  // namespace tslab
