#include "symbols.h"

#include <elf.h>
#include <limits.h>
#include <string.h>

#include "os.h"

namespace tslab {

namespace {

constexpr char kDeleted[] = " (deleted)";

constexpr unsigned digit_of(char c) {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    return c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a') + 10 : UINT_MAX;
}

// The number that the text goes on with; the text is what follows the one character behind it.
std::uint64_t take_number(const char*& text, unsigned base) {
    std::uint64_t number = 0;
    while (digit_of(*text) < base) number = number * base + digit_of(*text++);
    if (*text != 0) text++;
    return number;
}

const char* without_folders(const char* path) { return strrchr(path, '/') + 1; }

// Whether `count` things of this size lie within a file of `bytes`, from `offset` on.
bool fits(std::size_t bytes, std::size_t offset, std::size_t count, std::size_t size) {
    return offset <= bytes && count <= (bytes - offset) / size;
}

// The segment of the file that has the byte at `offset` as code; null where none has.
const Elf64_Phdr* find_segment(const std::byte* content, std::uint64_t offset) {
    const auto& header = *reinterpret_cast<const Elf64_Ehdr*>(content);
    const auto* const segments = reinterpret_cast<const Elf64_Phdr*>(content + header.e_phoff);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        const bool is_code = segments[i].p_type == PT_LOAD && (segments[i].p_flags & PF_X) != 0;
        if (is_code && offset - segments[i].p_offset < segments[i].p_filesz) return &segments[i];
    }
    return nullptr;
}

// The name of the function in a table of that kind, null where there is none.
const char* find_in_table(const std::byte* content, std::size_t bytes, unsigned kind, std::uintptr_t wanted) {
    const auto* const header = reinterpret_cast<const Elf64_Ehdr*>(content);
    const auto* const sections = reinterpret_cast<const Elf64_Shdr*>(content + header->e_shoff);
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != kind || sections[i].sh_link >= header->e_shnum) continue;
        const Elf64_Shdr& names = sections[sections[i].sh_link];
        const std::size_t count = sections[i].sh_size / sizeof(Elf64_Sym);
        if (!fits(bytes, sections[i].sh_offset, count, sizeof(Elf64_Sym)) ||
            !fits(bytes, names.sh_offset, names.sh_size, 1) || names.sh_size == 0)
            continue;
        const auto* const symbols = reinterpret_cast<const Elf64_Sym*>(content + sections[i].sh_offset);
        const auto* const text = reinterpret_cast<const char*>(content + names.sh_offset);
        if (text[names.sh_size - 1] != 0) continue;
        for (std::size_t k = 0; k < count; k++) {
            if (ELF64_ST_TYPE(symbols[k].st_info) == STT_FUNC && symbols[k].st_shndx != SHN_UNDEF &&
                wanted - symbols[k].st_value < symbols[k].st_size && symbols[k].st_name < names.sh_size)
                return text + symbols[k].st_name;
        }
    }
    return nullptr;
}

// Whether the file is one whose tables lie within it. elf(5)
bool is_sound(const std::byte* content, std::size_t bytes) {
    if (bytes < sizeof(Elf64_Ehdr)) return false;
    const auto& header = *reinterpret_cast<const Elf64_Ehdr*>(content);
    return memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
           header.e_phentsize == sizeof(Elf64_Phdr) &&
           (header.e_shnum == 0 || header.e_shentsize == sizeof(Elf64_Shdr)) &&
           fits(bytes, header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr)) &&
           fits(bytes, header.e_shoff, header.e_shnum, sizeof(Elf64_Shdr));
}

}  // namespace

void Symbols::begin() {
    finish();
    count_ = 0;
    paths_length_ = 0;
    memset(known_, 0, sizeof known_);
    const int maps = os::open_maps();
    if (maps < 0) return;
    std::size_t length = 0;  // of what was read and is not taken yet
    for (long got; (got = os::read_file(maps, text_ + length, sizeof text_ - length)) > 0;) {
        length += static_cast<std::size_t>(got);
        char* line = text_;
        char* end;
        while ((end = static_cast<char*>(memchr(line, '\n', length))) != nullptr) {
            *end = 0;
            add(line);
            length -= static_cast<std::size_t>(end + 1 - line);
            line = end + 1;
        }
        memmove(text_, line, length);
        if (length == sizeof text_) length = 0;  // a path as long as that is none that could be opened
    }
    os::close_file(maps);
}

// "start-end permissions offset device inode path", proc(5): the inode decimal, the other numbers
// hexadecimal.
void Symbols::add(const char* line) {
    const std::uintptr_t start = take_number(line, 16);
    const std::uintptr_t end = take_number(line, 16);
    const bool is_code = line[0] != 0 && line[1] != 0 && line[2] == 'x';
    line += strcspn(line, " ");
    line += strspn(line, " ");
    const std::uint64_t offset = take_number(line, 16);
    line += strcspn(line, " ");
    line += strspn(line, " ");
    const std::uint64_t inode = take_number(line, 10);
    const char* const path = line + strspn(line, " ");
    if (!is_code || *path != '/') return;
    std::size_t length = strlen(path);
    constexpr std::size_t kSuffix = sizeof kDeleted - 1;
    if (length > kSuffix && strcmp(path + length - kSuffix, kDeleted) == 0) length -= kSuffix;
    if (count_ == sizeof parts_ / sizeof *parts_ || length >= sizeof paths_ - paths_length_) return;
    char* const kept = paths_ + paths_length_;
    memcpy(kept, path, length);
    kept[length] = 0;
    paths_length_ += length + 1;
    parts_[count_++] = {start, end, offset, inode, kept, false, nullptr, 0};
}

// A child may be forked between any two steps: what it has twice is mapped once more, and not unmapped twice.
void Symbols::finish() {
    for (unsigned i = 0; i < count_; i++) {
        const std::byte* const content = parts_[i].content;
        parts_[i].content = nullptr;
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (content != nullptr) os::unmap_file(content, parts_[i].bytes);
    }
}

void Symbols::map(Part& part) {
    if (part.is_mapped) return;
    part.is_mapped = true;
    part.content = os::map_file(part.path, part.inode, part.bytes);
    if (part.content == nullptr || is_sound(part.content, part.bytes)) return;
    os::unmap_file(part.content, part.bytes);
    part.content = nullptr;
}

void Symbols::write(Output& output, std::uintptr_t return_address) {
    // In the call, which may be a function's last instruction.
    const std::uintptr_t address = return_address - 1;
    unsigned i = 0;
    while (i < count_ && (address < parts_[i].start || address >= parts_[i].end)) i++;
    if (i == count_) {
        output.hex(return_address);
        return;
    }
    Part& part = parts_[i];
    map(part);
    std::uintptr_t in_file = address - part.start + part.offset;
    const Elf64_Phdr* const segment = part.content != nullptr ? find_segment(part.content, in_file) : nullptr;
    const char* name = nullptr;
    if (segment != nullptr) {
        in_file += segment->p_vaddr - segment->p_offset;
        name = name_of(part, address, in_file);
    }
    output.text(name != nullptr ? name : without_folders(part.path));
    if (name == nullptr) output.text("+").hex(in_file + 1);
}

// The name at an address of the file that is `address` in memory.
const char* Symbols::name_of(const Part& part, std::uintptr_t address, std::uintptr_t in_file) {
    Known& known = known_[address % (sizeof known_ / sizeof *known_)];
    if (known.address == address) return known.name;
    const char* name = find_in_table(part.content, part.bytes, SHT_DYNSYM, in_file);
    if (name == nullptr) name = find_in_table(part.content, part.bytes, SHT_SYMTAB, in_file);
    known = {address, name};
    return name;
}

}  // namespace tslab
