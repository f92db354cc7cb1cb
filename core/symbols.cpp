#include "symbols.h"

#include <elf.h>
#include <link.h>
#include <string.h>

#include "os.h"

namespace tslab {

namespace {

// Whether `count` things of this size lie within a file of `bytes`, from `offset` on.
bool fits(std::size_t bytes, std::size_t offset, std::size_t count, std::size_t size) {
    return offset <= bytes && count <= (bytes - offset) / size;
}

const char* without_folders(const char* path) {
    const char* const slash = strrchr(path, '/');
    return slash != nullptr ? slash + 1 : path;
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

// What the loader knows of the file that an address is of. Not by dladdr(3), which waits until libraries that
// are being loaded have run their constructors, and one of those may wait for this thread.
struct Symbols::Loaded {
    std::uintptr_t address;
    const char* path = nullptr;  // empty for the program, which may have been started by a relative one
    std::uintptr_t bias = 0;     // addresses in the file are less than those in memory by this
    std::uintptr_t base = 0;     // where the file begins in memory
    const ElfW(Phdr) * segments = nullptr;
    unsigned count = 0;  // of them

    static int look_in(dl_phdr_info* info, std::size_t, void* to) {
        auto& found = *static_cast<Loaded*>(to);
        bool has_base = false;
        bool is_there = false;
        std::uintptr_t base = 0;
        for (unsigned i = 0; i < info->dlpi_phnum; i++) {
            const ElfW(Phdr)& segment = info->dlpi_phdr[i];
            if (segment.p_type != PT_LOAD) continue;
            if (!has_base) base = info->dlpi_addr + round_down(segment.p_vaddr, os::page_bytes());
            has_base = true;
            is_there = is_there || found.address - info->dlpi_addr - segment.p_vaddr < segment.p_memsz;
        }
        if (!is_there) return 0;
        found = {found.address, info->dlpi_name, info->dlpi_addr, base, info->dlpi_phdr, info->dlpi_phnum};
        return 1;
    }

    // Another may have come in its place since, and the program may have been started by the loader's name.
    bool is_of(const std::byte* content, std::size_t bytes) const {
        const auto* const header = reinterpret_cast<const Elf64_Ehdr*>(content);
        return bytes >= sizeof *header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
               header->e_phnum == count && fits(bytes, header->e_phoff, count, sizeof *segments) &&
               memcmp(content + header->e_phoff, segments, count * sizeof *segments) == 0;
    }
};

void Symbols::forget() {
    if (content_ != nullptr) os::unmap_file(content_, bytes_);
    content_ = nullptr;
}

const char* Symbols::find_in_file(const Loaded& loaded) {
    if (loaded.base != base_) {
        forget();
        base_ = loaded.base;
        content_ = os::map_file(loaded.path[0] == 0 ? "/proc/self/exe" : loaded.path, bytes_);
    }
    if (content_ == nullptr || !loaded.is_of(content_, bytes_)) return nullptr;
    const auto* const header = reinterpret_cast<const Elf64_Ehdr*>(content_);
    if (!fits(bytes_, header->e_shoff, header->e_shnum, sizeof(Elf64_Shdr))) return nullptr;
    const std::uintptr_t wanted = loaded.address - loaded.bias;
    const char* const exported = find_in_table(content_, bytes_, SHT_DYNSYM, wanted);
    return exported != nullptr ? exported : find_in_table(content_, bytes_, SHT_SYMTAB, wanted);
}

void Symbols::write(Output& output, std::uintptr_t return_address) {
    // In the call, which may be a function's last instruction.
    Loaded loaded{return_address - 1};
    if (dl_iterate_phdr(Loaded::look_in, &loaded) == 0) {
        output.hex(return_address);
        return;
    }
    const char* const name = find_in_file(loaded);
    if (name != nullptr) {
        output.text(name);
        return;
    }
    const bool is_program = loaded.path[0] == 0;
    char program[64];
    if (is_program) os::program_name(program, sizeof program);
    output.text(is_program ? program : without_folders(loaded.path)).text("+");
    output.hex(return_address - loaded.base);
}

}  // namespace tslab
