#include "print.h"

#include "os.h"

namespace tslab {

Line& Line::text(const char* text) {
    while (*text != 0) put(*text++);
    return *this;
}

void Line::digits(std::uint64_t value, unsigned base) {
    char reversed[20];
    unsigned count = 0;
    do {
        reversed[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0) put(reversed[--count]);
}

Line& Line::number(std::uint64_t value) {
    digits(value, 10);
    return *this;
}

Line& Line::pointer(const void* value) {
    text("0x");
    digits(reinterpret_cast<std::uintptr_t>(value), 16);
    return *this;
}

Line& Line::size(std::size_t bytes) {
    const char units[] = "\0KMGT";
    unsigned unit = 0;
    while (unit < 4 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    number(bytes);
    if (unit > 0) put(units[unit]);
    return *this;
}

void Line::send() {
    if (is_cut_) __builtin_memcpy(buffer_ + length_ - 3, "...", 3);
    buffer_[length_++] = '\n';
    os::write_error(buffer_, length_);
    length_ = 0;
    is_cut_ = false;
}

}  // namespace tslab
