#include "tools/elf.h"

#include <elf.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <vector>

#include "tools/command.h"

namespace tool {
namespace {

#if defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
#else
constexpr unsigned kMachine = EM_NONE;
#endif
constexpr std::size_t kLargestPart = 1 << 20;  // of what is read at once; real ones are far smaller
constexpr int kMostInterpreters = 4;           // as the kernel follows them

// A file of which any part may be missing.
class File {
  public:
    explicit File(const std::string& path) : stream_(path, std::ios::binary) {
        if (!stream_) fail_with_errno(path, errno);
    }
    std::string read(std::uint64_t offset, std::uint64_t bytes) {
        std::string part(std::min<std::uint64_t>(bytes, kLargestPart), '\0');
        stream_.clear();
        stream_.seekg(static_cast<std::streamoff>(offset));
        stream_.read(part.data(), static_cast<std::streamsize>(part.size()));
        part.resize(static_cast<std::size_t>(stream_.gcount()));
        return part;
    }
    template <typename T>
    std::vector<T> read_table(std::uint64_t offset, std::uint64_t count) {
        const std::string bytes = read(offset, count * sizeof(T));
        std::vector<T> table(bytes.size() / sizeof(T));
        if (!table.empty()) std::memcpy(table.data(), bytes.data(), table.size() * sizeof(T));
        return table;
    }

  private:
    std::ifstream stream_;
};

// The linker of Go marks what it made with a note named "Go", which stripping leaves.
bool has_go_note(const std::string& notes) {
    for (std::size_t at = 0; at + sizeof(Elf64_Nhdr) <= notes.size();) {
        Elf64_Nhdr note;
        std::memcpy(&note, notes.data() + at, sizeof note);
        at += sizeof note;
        if (note.n_namesz == 4 && notes.compare(at, 4, std::string("Go\0\0", 4)) == 0) return true;
        at += (std::size_t{note.n_namesz} + 3) / 4 * 4 + (std::size_t{note.n_descsz} + 3) / 4 * 4;
    }
    return false;
}

ProgramKind kind_of_elf(File& file, const std::string& start) {
    Elf64_Ehdr header;
    if (start.size() < sizeof header || start[EI_CLASS] != ELFCLASS64) return ProgramKind::other_machine;
    std::memcpy(&header, start.data(), sizeof header);
    if (header.e_machine != kMachine) return ProgramKind::other_machine;
    std::string interpreter;
    for (const Elf64_Phdr& part : file.read_table<Elf64_Phdr>(header.e_phoff, header.e_phnum)) {
        if (part.p_type == PT_INTERP) interpreter = file.read(part.p_offset, part.p_filesz).c_str();
        if (part.p_type == PT_NOTE && has_go_note(file.read(part.p_offset, part.p_filesz)))
            return ProgramKind::go;
    }
    if (interpreter.empty()) return ProgramKind::statically;
    return interpreter.find("ld-musl") != std::string::npos ? ProgramKind::musl : ProgramKind::dynamic;
}

// The first word behind #!.
std::string interpreter_of(const std::string& start) {
    const std::size_t from = start.find_first_not_of(" \t", 2);
    if (from == std::string::npos) return "";
    return start.substr(from, start.find_first_of(std::string(" \t\n\0", 4), from) - from);
}

ProgramKind kind_of(const std::string& path, int interpreters_left) {
    struct stat status;
    if (stat(path.c_str(), &status) != 0) fail_with_errno(path, errno);
    File file(path);
    const std::string start = file.read(0, 256);
    if (start.starts_with("#!") && interpreters_left > 0)
        return kind_of(interpreter_of(start), interpreters_left - 1);
    if (!start.starts_with(ELFMAG)) return ProgramKind::no_program;
    const ProgramKind kind = kind_of_elf(file, start);
    if (kind == ProgramKind::dynamic && (status.st_mode & (S_ISUID | S_ISGID)) != 0)
        return ProgramKind::setuid;
    return kind;
}

}  // namespace

ProgramKind kind_of(const std::string& path) { return kind_of(path, kMostInterpreters); }

const char* obstacle_of(ProgramKind kind) {
    switch (kind) {
        case ProgramKind::dynamic:
            return "";
        case ProgramKind::statically:
            return "is statically linked: nothing can be preloaded into it";
        case ProgramKind::musl:
            return "is linked to musl: the library is for glibc";
        case ProgramKind::go:
            return "is a Go program: it does not allocate by malloc";
        case ProgramKind::other_machine:
            return "is for another processor or word size: the library cannot be loaded into it";
        case ProgramKind::setuid:
            return "is setuid or setgid: the loader ignores LD_PRELOAD for it";
        case ProgramKind::no_program:
            return "is neither an ELF program nor a script: the library may not reach it";
    }
    return "";
}

}  // namespace tool
