// Text of others, which may hold any bytes: as a JSON string, and for a terminal.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace tool {

// The bytes of the character that a text begins with; 0 where they are not UTF-8. RFC 3629.
inline std::size_t utf8_bytes(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    const std::size_t bytes = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    // No longer than need be, no surrogates, and none above U+10FFFF.
    const unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (bytes == 0 || byte(1) < least || byte(1) > most) return 0;
    for (std::size_t i = 2; i < bytes; i++) {
        if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
    }
    return bytes;
}

// The character that a text begins with, taken off it: a question mark for a byte that is not UTF-8.
inline std::string_view take_character(std::string_view& text) {
    const std::size_t bytes = utf8_bytes(text);
    const std::string_view character = bytes == 0 ? "?" : text.substr(0, bytes);
    text.remove_prefix(bytes == 0 ? 1 : bytes);
    return character;
}

// As a JSON string.
inline std::string quoted(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const std::string_view character = take_character(text);
        if (character < " ") {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(character[0]));
            out += escape;
            continue;
        }
        if (character == "\"" || character == "\\") out += '\\';
        out += character;
    }
    return out + '"';
}

// For a terminal: a question mark for each character that it takes as a command, too.
inline std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::string_view character = take_character(text);
        const bool commands =
            character < " " || character == "\x7F" || (character >= "\xC2\x80" && character < "\xC2\xA0");
        out += commands ? "?" : character;
    }
    return out;
}

}  // namespace tool
