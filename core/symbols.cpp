#include "symbols.h"

#include <dlfcn.h>
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>

#include "os.h"

namespace tslab {

namespace {

// Whether `count` things of this size lie within a file of `bytes`, from `offset` on.
bool fits(std::size_t bytes, std::size_t offset, std::size_t count, std::size_t size) {
    return offset <= bytes && count <= (bytes - offset) / size;
}

// The program's own file may have been started by a relative path.
bool is_program(std::uintptr_t base) { return getauxval(AT_PHDR) - base < 65536; }

const char* without_folders(const char* path) {
    const char* const slash = strrchr(path, '/');
    return slash != nullptr ? slash + 1 : path;
}

// Addresses in the file are less than those in memory by this.
std::uintptr_t bias_of(const std::byte* content, std::size_t bytes, std::uintptr_t base) {
    const auto* const header = reinterpret_cast<const Elf64_Ehdr*>(content);
    if (!fits(bytes, header->e_phoff, header->e_phnum, sizeof(Elf64_Phdr))) return base;
    const auto* const segments = reinterpret_cast<const Elf64_Phdr*>(content + header->e_phoff);
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD) return base - round_down(segments[i].p_vaddr, os::page_bytes());
    }
    return base;
}

}  // namespace

void Symbols::forget() {
    if (content_ != nullptr) os::unmap_file(content_, bytes_);
    content_ = nullptr;
}

const char* Symbols::find_in_file(const char* path, std::uintptr_t base, std::uintptr_t address) {
    if (base != base_) {
        forget();
        base_ = base;
        content_ = os::map_file(is_program(base) ? "/proc/self/exe" : path, bytes_);
    }
    if (content_ == nullptr || bytes_ < sizeof(Elf64_Ehdr)) return nullptr;
    const auto* const header = reinterpret_cast<const Elf64_Ehdr*>(content_);
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        !fits(bytes_, header->e_shoff, header->e_shnum, sizeof(Elf64_Shdr)))
        return nullptr;
    const std::uintptr_t wanted = address - bias_of(content_, bytes_, base);
    const auto* const sections = reinterpret_cast<const Elf64_Shdr*>(content_ + header->e_shoff);
    for (unsigned i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type != SHT_SYMTAB || sections[i].sh_link >= header->e_shnum) continue;
        const Elf64_Shdr& names = sections[sections[i].sh_link];
        const std::size_t count = sections[i].sh_size / sizeof(Elf64_Sym);
        if (!fits(bytes_, sections[i].sh_offset, count, sizeof(Elf64_Sym)) ||
            !fits(bytes_, names.sh_offset, names.sh_size, 1) || names.sh_size == 0)
            return nullptr;
        const auto* const symbols = reinterpret_cast<const Elf64_Sym*>(content_ + sections[i].sh_offset);
        const auto* const text = reinterpret_cast<const char*>(content_ + names.sh_offset);
        if (text[names.sh_size - 1] != 0) return nullptr;
        for (std::size_t k = 0; k < count; k++) {
            if (ELF64_ST_TYPE(symbols[k].st_info) == STT_FUNC &&
                wanted - symbols[k].st_value < symbols[k].st_size && symbols[k].st_name < names.sh_size)
                return text + symbols[k].st_name;
        }
    }
    return nullptr;
}

void Symbols::write(Output& output, std::uintptr_t return_address) {
    const std::uintptr_t address =
        return_address - 1;  // in the call, which may be a function's last instruction
    Dl_info info{};
    if (dladdr(reinterpret_cast<const void*>(address), &info) == 0 || info.dli_fname == nullptr) {
        output.hex(return_address);
        return;
    }
    const auto base = reinterpret_cast<std::uintptr_t>(info.dli_fbase);
    const char* name = info.dli_sname;
    if (name == nullptr) name = find_in_file(info.dli_fname, base, address);
    if (name != nullptr) {
        output.text(name);
        return;
    }
    char program[64];
    // Programs overwrite what the loader knows theirs by.
    if (is_program(base)) os::program_name(program, sizeof program);
    output.text(is_program(base) ? program : without_folders(info.dli_fname)).text("+");
    output.hex(return_address - base);
}

}  // namespace tslab
