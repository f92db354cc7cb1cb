// Text on its way to a file or to stderr: no allocation, no stdio. Large: not for the stacks of the program's
// threads.
#pragma once

#include "base.h"

namespace tslab {

// The path with %p as this process's number. There is room for the longest that an option may name, for an
// ending, and for that of the file it is until it is complete.
inline constexpr std::size_t kPathRoom = 256;
void expand_path(const char* path, char (&expanded)[kPathRoom]);

class Output {
  public:
    // To stderr; to a file that appears under its name when it is complete; to the end of a file, without
    // waiting for it. False where it cannot be had, and nothing follows.
    bool begin_error();
    bool begin_file(const char* path);
    bool begin_append(const char* path);

    Output& text(const char* text);
    Output& text(const char* text, std::size_t bytes);
    Output& number(std::uint64_t value);
    Output& hex(std::uint64_t value);                      // 0x…
    Output& padded(const char* text, unsigned width);      // spaces after it
    Output& padded(std::uint64_t value, unsigned width);   // spaces before it
    Output& quoted(const char* text, std::size_t length);  // as JSON and Prometheus both write strings
    Output& cell(const char* text, std::size_t length);    // as CSV does

    // False where something of it is missing.
    bool finish();

  private:
    void put(char c) {
        if (length_ == sizeof buffer_) flush(whole_lines());
        buffer_[length_++] = c;
    }
    Output& in_quotes(const char* text, std::size_t length, const char* escaped, char escape);
    bool open_end();
    bool is_ours() const;
    bool write(std::size_t bytes) const;
    void flush(std::size_t bytes);
    std::size_t whole_lines() const;

    enum class To : unsigned char {
        error,
        meanwhile,  // a file under another name until it is complete
        end         // of a file
    };

    To to_;
    bool failed_;
    int file_;  // but for stderr
    int process_;
    std::size_t length_;
    char path_[kPathRoom];
    char meanwhile_[kPathRoom];
    char buffer_[4096];
};

}  // namespace tslab
