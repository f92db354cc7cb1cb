// The kernel, by raw system calls: libc's wrappers can be interposed by other preloaded libraries, which then
// allocate, and they write errno, which free must keep.
#pragma once

#include "base.h"

namespace tslab::os {

// Each call answers 0 or a pointer on success; failures are the negated errno, and null for reserve().

// Address space without memory behind it, not accessible. mmap(2).
void* reserve(std::size_t bytes);
void unreserve(void* start, std::size_t bytes);

// Makes a part of a reservation readable and writable. mprotect(2).
long commit(void* start, std::size_t bytes);

// Makes a part of a reservation readable, as zeros. mprotect(2).
long commit_zeros(void* start, std::size_t bytes);

// Gives the pages of the range to the kernel; they read as zeros afterwards. madvise(2), MADV_DONTNEED.
long give_back(void* start, std::size_t bytes);

// Advice that may fail without harm: no huge pages; kept out of core dumps, or taken into them. The kernel
// leaves out by itself what was never touched; gdb's gcore would write all of a reservation.
void avoid_huge_pages(void* start, std::size_t bytes);
void exclude_from_dump(void* start, std::size_t bytes);
void include_in_dump(void* start, std::size_t bytes);

std::size_t page_bytes();

// The soft limit on this process's address space, RLIM_INFINITY as the largest value.
std::size_t address_space_limit();

int process_id();

// Milliseconds on a clock that never jumps, a few of them coarse. clock_gettime(2), CLOCK_MONOTONIC_COARSE.
std::uint64_t monotonic_ms();
std::uint64_t monotonic_ns();   // clock_gettime(2), CLOCK_MONOTONIC
std::uint64_t wall_clock_ns();  // clock_gettime(2), CLOCK_REALTIME
std::uint64_t processor_ns();   // of all this process's threads. clock_gettime(2), CLOCK_PROCESS_CPUTIME_ID
void sleep_us(unsigned long us);

// When this process was started, in clock ticks after boot: field 22 of /proc/self/stat. 0 where unknown.
std::uint64_t process_start();

// Whether the process runs with rights that its user does not have; files that options name are then left
// alone.
bool is_privileged();

// The name this process was started by and the file it runs, without their folders. Copies at most `room - 1`
// bytes and a final 0; empty where unknown.
void started_name(char* name, std::size_t room);
void program_name(char* name, std::size_t room);

// The environment, null before libc has set it up; entries are "NAME=value", the last one null.
char** environment();

// Notes which file stderr is. Called once, before any line.
void note_error_file();
// To stderr, in one write(2) where the kernel takes it. False where not all could be written, or where number
// 2 is by now a file of the program's own: not the one that was noted, nor what messages go to, a device such
// as a terminal or what was opened for appending.
bool write_error(const char* text, std::size_t bytes);

// While one lives, none of these signals is handled on this thread (one bit each, the first signal's the
// lowest); where none are named, all but those that the thread raises by what it does, and libc's own.
class SignalsHeld {
  public:
    SignalsHeld();
    explicit SignalsHeld(std::uint64_t signals);
    ~SignalsHeld();
    SignalsHeld(const SignalsHeld&) = delete;
    SignalsHeld& operator=(const SignalsHeld&) = delete;

    // Those that were held before it.
    std::uint64_t before() const { return before_; }

  private:
    std::uint64_t before_ = 0;
    bool held_;
};

// Files, by the kernel's numbers for them, which are never 0 to 2. open(2): for writing, 0644, made in place
// of whatever had the name; for reading. Negative where that fails.
int create_file(const char* path);
int open_file(const char* path);
// What is mapped, by lines, proc(5): this thread's, as a process whose first thread has ended shows none.
int open_maps();
void close_file(int file);
// False where not all could be written. Raises no signal.
bool write_file(int file, const char* text, std::size_t bytes);
long read_file(int file, char* text, std::size_t room);
bool rename_file(const char* from, const char* to);
void remove_file(const char* path);
// The whole content of the file of that name and inode, for reading; null where it cannot be had or is empty.
// unmap_file gives it back.
const std::byte* map_file(const char* path, std::uint64_t inode, std::size_t& bytes);
void unmap_file(const std::byte* content, std::size_t bytes);

// While one lives, the numbers 0 to 2 are taken where the program has closed them: what others open meanwhile
// gets higher ones.
class StandardFilesTaken {
  public:
    StandardFilesTaken();
    ~StandardFilesTaken();
    StandardFilesTaken(const StandardFilesTaken&) = delete;
    StandardFilesTaken& operator=(const StandardFilesTaken&) = delete;

  private:
    bool taken_[3]{};
};

// What tells the pipe that this file is an end of from other pipes; 0 where it is no pipe, or not open.
unsigned long pipe_of(int file);

// Whether the path names a plain file or nothing, and not a link, a device or a pipe.
bool is_plain_or_new(const char* path);

// open(2), made with 0644. Neither this nor a write waits for the readers of a pipe, unless it is told to.
int append_to_file(const char* path);
void wait_for_readers(int file);
void make_folder(const char* path);

// A new file of this size, all zeros, mapped to be shared with its readers; its space is taken at once, so
// that writing to it cannot fail later. A negated errno, or 0 and the memory.
long create_shared_file(const char* path, std::size_t bytes, void*& memory);

// Has `handler` told of the signal; false, with nothing done, where it does not do what it does by default.
// sigaction(2)
bool handle_signal(int number, void (*handler)(int));

[[noreturn]] void stop();  // abort(3)

}  // namespace tslab::os
