// One line of text in a fixed buffer: no allocation, no stdio, sent with one system call.
#pragma once

#include "base.h"

namespace tslab {

class Line {
  public:
    Line() { text("temporal-slab: "); }

    Line& text(const char* text);
    Line& number(std::uint64_t value);
    Line& pointer(const void* value);
    Line& size(std::size_t bytes);  // as options are written: 64, 16K, 1T

    void send();  // ends the line and writes it to stderr; one that did not fit ends in three dots

  private:
    void put(char c) {
        if (length_ < sizeof buffer_ - 1) {
            buffer_[length_++] = c;
        } else {
            is_cut_ = true;
        }
    }
    void digits(std::uint64_t value, unsigned base);

    char buffer_[1024];
    std::size_t length_ = 0;
    bool is_cut_ = false;
};

}  // namespace tslab
