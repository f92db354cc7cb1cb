#include "symbols.h"

#include <elf.h>
#include <string.h>

#include "os.h"

namespace tslab {

namespace {

constexpr char kDeleted[] = " (deleted)";

// The number that the text goes on with; the text is what follows the one character behind it.
std::uint64_t take_number(const char*& text, unsigned base) {
    std::uint64_t number = 0;
    for (;; text++) {
        const unsigned digit =
            *text >= 'a' ? static_cast<unsigned>(*text - 'a') + 10 : static_cast<unsigned>(*text - '0');
        if (digit >= base) break;
        number = number * base + digit;
    }
    text += *text != 0 ? 1 : 0;
    return number;
}

const char* without_folders(const char* path) { return strrchr(path, '/') + 1; }

// Whether `count` things of this size lie within a file of `bytes`, from `offset` on.
bool fits(std::size_t bytes, std::size_t offset, std::size_t count, std::size_t size) {
    return offset <= bytes && count <= (bytes - offset) / size;
}

// Where the file begins, by the addresses in it.
std::uintptr_t first_address(const std::byte* content, const Elf64_Ehdr& header) {
    const auto* const segments = reinterpret_cast<const Elf64_Phdr*>(content + header.e_phoff);
    for (unsigned i = 0; i < header.e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD) return segments[i].p_vaddr - segments[i].p_offset;
    }
    return 0;
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
            return nullptr;
        const auto* const symbols = reinterpret_cast<const Elf64_Sym*>(content + sections[i].sh_offset);
        const auto* const text = reinterpret_cast<const char*>(content + names.sh_offset);
        if (text[names.sh_size - 1] != 0) return nullptr;
        for (std::size_t k = 0; k < count; k++) {
            if (ELF64_ST_TYPE(symbols[k].st_info) == STT_FUNC && symbols[k].st_shndx != SHN_UNDEF &&
                wanted - symbols[k].st_value < symbols[k].st_size && symbols[k].st_name < names.sh_size)
                return text + symbols[k].st_name;
        }
    }
    return nullptr;
}

}  // namespace

void Symbols::begin() {
    finish();
    count_ = 0;
    paths_length_ = 0;
    inode_ = 0;
    const int maps = os::open_file("/proc/self/maps");
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
    }
    os::close_file(maps);
}

// "start-end permissions offset device inode path", proc(5): the inode decimal, the other numbers
// hexadecimal.
void Symbols::add(const char* line) {
    const std::uintptr_t start = take_number(line, 16);
    const std::uintptr_t end = take_number(line, 16);
    const bool is_code = line[2] == 'x';
    line += strcspn(line, " ") + 1;
    const std::uint64_t offset = take_number(line, 16);
    line += strcspn(line, " ") + 1;
    const std::uint64_t inode = take_number(line, 10);
    // A small file's code may be mapped from its first page too, which is not where it begins.
    if (inode != inode_ || (offset == 0 && !is_code)) base_ = start - offset;
    inode_ = inode;
    const char* const path = strchr(line, '/');
    if (!is_code || path == nullptr) return;
    std::size_t length = strlen(path);
    constexpr std::size_t kSuffix = sizeof kDeleted - 1;
    if (length > kSuffix && strcmp(path + length - kSuffix, kDeleted) == 0) length -= kSuffix;
    if (count_ == sizeof parts_ / sizeof *parts_ || length >= sizeof paths_ - paths_length_) return;
    char* const kept = paths_ + paths_length_;
    memcpy(kept, path, length);
    kept[length] = 0;
    paths_length_ += length + 1;
    parts_[count_++] = {start, end, base_, inode, kept};
}

void Symbols::finish() {
    if (content_ != nullptr) os::unmap_file(content_, bytes_);
    content_ = nullptr;
    mapped_ = nullptr;
}

const char* Symbols::find_in_file(const Part& part, std::uintptr_t address) {
    if (&part != mapped_) {
        finish();
        mapped_ = &part;
        content_ = os::map_file(part.path, part.inode, bytes_);
    }
    if (content_ == nullptr || bytes_ < sizeof(Elf64_Ehdr)) return nullptr;
    const auto& header = *reinterpret_cast<const Elf64_Ehdr*>(content_);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        !fits(bytes_, header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr)) ||
        !fits(bytes_, header.e_shoff, header.e_shnum, sizeof(Elf64_Shdr)))
        return nullptr;
    const std::uintptr_t wanted = address - part.base + first_address(content_, header);
    const char* const exported = find_in_table(content_, bytes_, SHT_DYNSYM, wanted);
    return exported != nullptr ? exported : find_in_table(content_, bytes_, SHT_SYMTAB, wanted);
}

void Symbols::write(Output& output, std::uintptr_t return_address) {
    const std::uintptr_t address =
        return_address - 1;  // in the call, which may be a function's last instruction
    for (unsigned i = 0; i < count_; i++) {
        const Part& part = parts_[i];
        if (address < part.start || address >= part.end) continue;
        const char* const name = find_in_file(part, address);
        output.text(name != nullptr ? name : without_folders(part.path));
        if (name == nullptr) output.text("+").hex(return_address - part.base);
        return;
    }
    output.hex(return_address);
}

}  // namespace tslab
