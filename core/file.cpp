#include "file.h"

#include <string.h>

#include "os.h"

namespace tslab {

File::File(const char* path) {
    const std::size_t length = strlen(path);
    failed_ = length > kLongestPath;
    if (failed_) return;
    memcpy(path_, path, length + 1);
    memcpy(path_meanwhile_, path, length);
    // Of this process alone, since others may write the same file.
    char* at = path_meanwhile_ + length;
    *at++ = '.';
    for (int id = os::process_id(); id > 0; id /= 10) *at++ = static_cast<char>('0' + id % 10);
    *at = 0;
    file_ = os::create_file(path_meanwhile_);
    failed_ = file_ < 0;
}

File& File::text(const char* text, std::size_t bytes) {
    while (bytes > 0) {
        if (length_ == sizeof buffer_) flush();
        const std::size_t fits = bytes < sizeof buffer_ - length_ ? bytes : sizeof buffer_ - length_;
        memcpy(buffer_ + length_, text, fits);
        length_ += fits;
        text += fits;
        bytes -= fits;
    }
    return *this;
}

File& File::text(const char* text) { return this->text(text, strlen(text)); }

File& File::number(std::uint64_t value, unsigned width) {
    char digits[20];
    unsigned at = sizeof digits;
    do {
        digits[--at] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (unsigned i = sizeof digits - at; i < width; i++) text(" ", 1);
    return text(digits + at, sizeof digits - at);
}

File& File::hex(std::uint64_t value) {
    char digits[16];
    unsigned at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value % 16];
        value /= 16;
    } while (value != 0);
    return text("0x", 2).text(digits + at, sizeof digits - at);
}

void File::flush() {
    if (!failed_ && !os::write_file(file_, buffer_, length_)) failed_ = true;
    length_ = 0;
}

bool File::finish() {
    if (file_ < 0) return false;
    flush();
    os::close_file(file_);
    file_ = -1;
    if (!failed_ && os::rename_file(path_meanwhile_, path_)) return true;
    os::remove_file(path_meanwhile_);
    return false;
}

}  // namespace tslab
