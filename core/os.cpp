#include "os.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace tslab::os {

namespace {

long call(long number, long a, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
#if defined(__x86_64__)
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
#error "temporal-slab runs on x86-64 and ARM64"
#endif
}

long address(const void* pointer) { return reinterpret_cast<long>(pointer); }

long advise(void* start, std::size_t bytes, int advice) {
    return call(SYS_madvise, address(start), static_cast<long>(bytes), advice);
}

// The file that stderr was at the start; none, where it was closed. Written before there is anything to say.
struct ErrorFile {
    bool noted;
    dev_t device;
    ino_t inode;
};
constinit ErrorFile error_file{};

bool takes_errors() {
    struct stat now {};
    if (call(SYS_fstat, STDERR_FILENO, address(&now)) != 0) return false;
    if (!error_file.noted || (now.st_dev == error_file.device && now.st_ino == error_file.inode)) return true;
    if (S_ISCHR(now.st_mode)) return true;
    const long flags = call(SYS_fcntl, STDERR_FILENO, F_GETFL);
    return flags > 0 && (flags & O_APPEND) != 0;
}

// Never under a number that stands for a standard file: where the program has closed those, it decides what
// takes them.
int open_path(const char* path, int flags) {
    const long file = call(SYS_openat, AT_FDCWD, address(path), flags | O_CLOEXEC | O_NOCTTY, 0644);
    if (file < 0 || file > STDERR_FILENO) return static_cast<int>(file);
    const long moved = call(SYS_fcntl, file, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    call(SYS_close, file);
    return static_cast<int>(moved);
}

constexpr std::uint64_t signal_bit(int number) { return std::uint64_t{1} << (number - 1); }

// A write to a pipe that nobody reads raises SIGPIPE, and one beyond the limit on files SIGXFSZ, which end
// the program for a text that it knows nothing of. While one lives they come to nothing, unless the program
// has them pending already.
class QuietWrites {
  public:
    QuietWrites() : held_(kRaised) {
        if ((held_.before() & kRaised) != 0) call(SYS_rt_sigpending, address(&pending_), sizeof pending_);
    }

    void failed(long error) const {
        const std::uint64_t raised = error == -EPIPE ? kPipe : error == -EFBIG ? kTooLarge : 0;
        const std::uint64_t ours = raised & ~pending_;
        const timespec at_once{};
        if (ours != 0) call(SYS_rt_sigtimedwait, address(&ours), 0, address(&at_once), sizeof ours);
    }

  private:
    static constexpr std::uint64_t kPipe = signal_bit(SIGPIPE);
    static constexpr std::uint64_t kTooLarge = signal_bit(SIGXFSZ);
    static constexpr std::uint64_t kRaised = kPipe | kTooLarge;

    SignalsHeld held_;
    std::uint64_t pending_ = 0;
};

void copy_last_part(char* name, std::size_t room, const char* path) {
    const char* slash = strrchr(path, '/');
    const char* from = slash != nullptr ? slash + 1 : path;
    std::size_t length = 0;
    for (; from[length] != 0 && length + 1 < room; length++) name[length] = from[length];
    name[length] = 0;
}

}  // namespace

void* reserve(std::size_t bytes) {
    const long at = call(SYS_mmap, 0, static_cast<long>(bytes), PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at < 0 && at > -4096 ? nullptr : reinterpret_cast<void*>(at);
}

void unreserve(void* start, std::size_t bytes) { call(SYS_munmap, address(start), static_cast<long>(bytes)); }

long commit(void* start, std::size_t bytes) {
    BoundedCall::did(Work::system_call);
    return call(SYS_mprotect, address(start), static_cast<long>(bytes), PROT_READ | PROT_WRITE);
}

long commit_zeros(void* start, std::size_t bytes) {
    BoundedCall::did(Work::system_call);
    return call(SYS_mprotect, address(start), static_cast<long>(bytes), PROT_READ);
}

long give_back(void* start, std::size_t bytes) {
    BoundedCall::did(Work::system_call);
    return advise(start, bytes, MADV_DONTNEED);
}
void avoid_huge_pages(void* start, std::size_t bytes) { advise(start, bytes, MADV_NOHUGEPAGE); }
void exclude_from_dump(void* start, std::size_t bytes) { advise(start, bytes, MADV_DONTDUMP); }
void include_in_dump(void* start, std::size_t bytes) {
    BoundedCall::did(Work::system_call);
    advise(start, bytes, MADV_DODUMP);
}

std::size_t page_bytes() { return getauxval(AT_PAGESZ); }

std::size_t address_space_limit() {
    struct rlimit limit {};
    if (call(SYS_prlimit64, 0, RLIMIT_AS, 0, address(&limit)) < 0) return SIZE_MAX;
    return limit.rlim_cur;
}

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t processor_ns() {
    timespec now{};
    call(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, address(&now));
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000 + static_cast<std::uint64_t>(now.tv_nsec);
}

void sleep_us(unsigned long us) {
    const timespec length{static_cast<time_t>(us / 1000000), static_cast<long>(us % 1000000) * 1000};
    call(SYS_nanosleep, address(&length), 0);
}

bool is_privileged() { return getauxval(AT_SECURE) != 0; }

int create_file(const char* path) {
    remove_file(path);
    return open_path(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW);
}

int open_file(const char* path) { return open_path(path, O_RDONLY); }

int open_maps() {
    const int file = open_file("/proc/thread-self/maps");
    return file >= 0 ? file : open_file("/proc/self/maps");  // Linux before 3.17
}

void close_file(int file) { call(SYS_close, file); }

// By what cannot be read or written, as what is closed cannot be.
StandardFilesTaken::StandardFilesTaken() {
    long file;
    while ((file = call(SYS_openat, AT_FDCWD, address("/"), O_PATH | O_CLOEXEC)) >= 0 &&
           file <= STDERR_FILENO)
        taken_[file] = true;
    if (file > STDERR_FILENO) call(SYS_close, file);
}

StandardFilesTaken::~StandardFilesTaken() {
    for (int file = 0; file <= STDERR_FILENO; file++) {
        if (taken_[file]) close_file(file);
    }
}

unsigned long pipe_of(int file) {
    struct stat found {};
    if (call(SYS_fstat, file, address(&found)) != 0 || !S_ISFIFO(found.st_mode)) return 0;
    return found.st_ino;
}

SignalsHeld::SignalsHeld()
    : SignalsHeld(~(signal_bit(SIGILL) | signal_bit(SIGTRAP) | signal_bit(SIGBUS) | signal_bit(SIGFPE) |
                    signal_bit(SIGSEGV) | signal_bit(SIGSYS) | signal_bit(32) | signal_bit(33))) {}

SignalsHeld::SignalsHeld(std::uint64_t signals)
    : held_(call(SYS_rt_sigprocmask, SIG_BLOCK, address(&signals), address(&before_), sizeof before_) == 0) {}

SignalsHeld::~SignalsHeld() {
    if (held_) call(SYS_rt_sigprocmask, SIG_SETMASK, address(&before_), 0, sizeof before_);
}

bool write_file(int file, const char* text, std::size_t bytes) {
    const QuietWrites quiet;
    while (bytes > 0) {
        const long written = call(SYS_write, file, address(text), static_cast<long>(bytes));
        if (written == -EINTR) continue;
        if (written <= 0) {
            quiet.failed(written);
            return false;
        }
        text += written;
        bytes -= static_cast<std::size_t>(written);
    }
    return true;
}

long read_file(int file, char* text, std::size_t room) {
    long got;
    do {
        got = call(SYS_read, file, address(text), static_cast<long>(room));
    } while (got == -EINTR);
    return got;
}

bool rename_file(const char* from, const char* to) {
    return call(SYS_renameat2, AT_FDCWD, address(from), AT_FDCWD, address(to), 0) == 0;
}

void remove_file(const char* path) { call(SYS_unlinkat, AT_FDCWD, address(path), 0); }

const std::byte* map_file(const char* path, std::uint64_t inode, std::size_t& bytes) {
    // A pipe of that name may have no writer yet: it is not waited for.
    const int file = open_path(path, O_RDONLY | O_NONBLOCK);
    if (file < 0) return nullptr;
    struct stat found {};
    const bool is_it = call(SYS_fstat, file, address(&found)) == 0 && found.st_ino == inode;
    const long at = is_it ? call(SYS_mmap, 0, found.st_size, PROT_READ, MAP_PRIVATE, file, 0) : -ENOENT;
    close_file(file);
    if (at < 0 && at > -4096) return nullptr;
    bytes = static_cast<std::size_t>(found.st_size);
    return reinterpret_cast<const std::byte*>(at);
}

void unmap_file(const std::byte* content, std::size_t bytes) {
    call(SYS_munmap, address(content), static_cast<long>(bytes));
}

int process_id() { return static_cast<int>(call(SYS_getpid, 0)); }

// libc's function, since it makes no system call, which a filter may forbid by now.
std::uint64_t monotonic_ms() {
    struct timespec now {};
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000000;
}

std::uint64_t wall_clock_ns() {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000000000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t process_start() {
    char text[1024];
    const int file = open_file("/proc/self/stat");
    if (file < 0) return 0;
    const long length = read_file(file, text, sizeof text - 1);
    close_file(file);
    text[length > 0 ? length : 0] = 0;
    const char* at = strrchr(text, ')');  // the name before it may hold anything
    for (unsigned field = 2; at != nullptr && field < 22; field++) at = strchr(at + 1, ' ');
    std::uint64_t value = 0;
    for (at = at != nullptr ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
        value = value * 10 + static_cast<std::uint64_t>(*at - '0');
    return value;
}

bool is_plain_or_new(const char* path) {
    struct stat found {};
    return call(SYS_newfstatat, AT_FDCWD, address(path), address(&found), AT_SYMLINK_NOFOLLOW) != 0 ||
           S_ISREG(found.st_mode);
}

int append_to_file(const char* path) { return open_path(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK); }

void wait_for_readers(int file) { call(SYS_fcntl, file, F_SETFL, O_APPEND); }

void make_folder(const char* path) { call(SYS_mkdirat, AT_FDCWD, address(path), 0777); }

// Written in full rather than asked for with fallocate(2), which not every file system has.
long create_shared_file(const char* path, std::size_t bytes, void*& memory) {
    static constexpr char kZeros[4096]{};
    const int file = open_path(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
    if (file < 0) return file;
    bool whole = true;
    for (std::size_t done = 0; done < bytes && whole; done += sizeof kZeros)
        whole = write_file(file, kZeros, sizeof kZeros);
    const long at =
        whole ? call(SYS_mmap, 0, static_cast<long>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
              : -ENOSPC;
    close_file(file);
    if (at < 0 && at > -4096) return at;
    memory = reinterpret_cast<void*>(at);
    return 0;
}

bool handle_signal(int number, void (*handler)(int)) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return false;
    now.sa_handler = handler;
    now.sa_flags = SA_RESTART;
    sigemptyset(&now.sa_mask);
    return sigaction(number, &now, nullptr) == 0;
}

void started_name(char* name, std::size_t room) {
    const auto* path = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
    copy_last_part(name, room, path != nullptr ? path : "");
}

void program_name(char* name, std::size_t room) {
    char path[4096];
    const long length =
        call(SYS_readlinkat, AT_FDCWD, address("/proc/self/exe"), address(path), sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    copy_last_part(name, room, path);
}

char** environment() { return environ; }

void note_error_file() {
    struct stat now {};
    call(SYS_fstat, STDERR_FILENO, address(&now));
    error_file = {true, now.st_dev, now.st_ino};
}

bool write_error(const char* text, std::size_t bytes) {
    return takes_errors() && write_file(STDERR_FILENO, text, bytes);
}

void stop() { abort(); }

}  // namespace tslab::os
