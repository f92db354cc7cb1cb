#include "output.h"

#include <string.h>

#include "os.h"

namespace tslab {

namespace {

struct Digits {
    char text[21];
    const char* first;

    explicit Digits(std::uint64_t value) {
        unsigned at = sizeof text - 1;
        text[at] = 0;
        do {
            text[--at] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        first = text + at;
    }
};

}  // namespace

void expand_path(const char* path, char (&expanded)[kPathRoom]) {
    const Digits pid(static_cast<std::uint64_t>(os::process_id()));
    std::size_t length = 0;
    const auto add = [&](const char* text, std::size_t bytes) {
        for (std::size_t i = 0; i < bytes && length + 1 < kPathRoom; i++) expanded[length++] = text[i];
    };
    for (const char* at = path; *at != 0; at++) {
        if (at[0] == '%' && at[1] == 'p') {
            add(pid.first, strlen(pid.first));
            at++;
        } else {
            add(at, 1);
        }
    }
    expanded[length] = 0;
}

bool Output::begin_error() {
    to_ = To::error;
    failed_ = false;
    process_ = os::process_id();
    length_ = 0;
    return true;
}

// A link, a device or a pipe stays what it is and is written to.
bool Output::begin_file(const char* path) {
    const os::SignalsHeld held;
    begin_error();
    expand_path(path, path_);
    if (!os::is_plain_or_new(path_)) {
        if (!open_end()) return false;
        os::wait_for_readers(file_);
        return true;
    }
    char with_pid[kPathRoom];
    const std::size_t length = strlen(path_) < kPathRoom - 8 ? strlen(path_) : kPathRoom - 8;
    memcpy(with_pid, path_, length);
    memcpy(with_pid + length, ".%p.new", 8);
    expand_path(with_pid, meanwhile_);
    to_ = To::meanwhile;
    file_ = os::create_file(meanwhile_);
    return file_ >= 0;
}

bool Output::begin_append(const char* path) {
    const os::SignalsHeld held;
    begin_error();
    expand_path(path, path_);
    return open_end();
}

bool Output::open_end() {
    to_ = To::end;
    file_ = os::append_to_file(path_);
    return file_ >= 0;
}

Output& Output::text(const char* text) {
    while (*text != 0) put(*text++);
    return *this;
}

Output& Output::text(const char* text, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; i++) put(text[i]);
    return *this;
}

Output& Output::hex(std::uint64_t value) {
    char digits[17]{};
    unsigned at = sizeof digits - 1;
    do {
        digits[--at] = "0123456789abcdef"[value % 16];
        value /= 16;
    } while (value != 0);
    return text("0x").text(digits + at);
}

Output& Output::number(std::uint64_t value) { return text(Digits(value).first); }

Output& Output::padded(const char* text, unsigned width) {
    this->text(text);
    for (std::size_t i = strlen(text); i < width; i++) put(' ');
    return *this;
}

Output& Output::padded(std::uint64_t value, unsigned width) {
    const Digits digits(value);
    for (std::size_t i = strlen(digits.first); i < width; i++) put(' ');
    return text(digits.first);
}

Output& Output::quoted(const char* text, std::size_t length) { return in_quotes(text, length, "\"\\", '\\'); }

Output& Output::cell(const char* text, std::size_t length) { return in_quotes(text, length, "\"", '"'); }

Output& Output::in_quotes(const char* text, std::size_t length, const char* escaped, char escape) {
    put('"');
    for (std::size_t i = 0; i < length && text[i] != 0; i++) {
        const char c = text[i];
        if (strchr(escaped, c) != nullptr) put(escape);
        put(c < ' ' || c > '~' ? '?' : c);
    }
    put('"');
    return *this;
}

// Where a signal handler has forked in the middle of it, the parent goes on with it, and not the child. No
// handler runs between this question and what depends on it, but where that may wait for readers.
bool Output::is_ours() const { return os::process_id() == process_; }

bool Output::write(std::size_t bytes) const {
    if (!is_ours()) return true;
    if (to_ == To::error) return os::write_error(buffer_, bytes);
    return os::write_file(file_, buffer_, bytes);
}

// A pipe takes all of one write or none: where others write there too, or it is full, no line is torn.
std::size_t Output::whole_lines() const {
    std::size_t bytes = length_;
    while (bytes > 0 && buffer_[bytes - 1] != '\n') bytes--;
    return bytes > 0 ? bytes : length_;
}

void Output::flush(std::size_t bytes) {
    if (to_ == To::meanwhile) {
        const os::SignalsHeld held;
        failed_ = failed_ || !write(bytes);
    } else {
        failed_ = failed_ || !write(bytes);
    }
    length_ -= bytes;
    memmove(buffer_, buffer_ + bytes, length_);
}

bool Output::finish() {
    flush(length_);
    const os::SignalsHeld held;
    if (to_ != To::error) os::close_file(file_);
    if (to_ != To::meanwhile || !is_ours()) return !failed_;
    if (!failed_ && os::rename_file(meanwhile_, path_)) return true;
    os::remove_file(meanwhile_);
    return false;
}

}  // namespace tslab
