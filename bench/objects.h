// What every driver does with the allocator: malloc, write the first and the last byte, later read the first,
// free.
//
// The first byte is read before free because programs read what they are about to free, and so that no
// allocator is favoured for leaving the freed object's cache line alone. The byte depends on the address: two
// objects that overlap are noticed.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace bench {

inline constexpr std::size_t least_size = 64;
inline constexpr std::size_t greatest_size = 768;

// xorshift64*: the same seed gives the same sequence of sizes and victims under every allocator.
class Rng {
  public:
    explicit Rng(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15U + 0x2545F4914F6CDD1DU) {
        if (state_ == 0) state_ = 1;
    }

    std::uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545F4914F6CDD1DU;
    }

    // Uniform in [0, bound), for bound < 2^32.
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(((next() >> 32) * bound) >> 32); }
    std::size_t between(std::size_t low, std::size_t high) { return low + below(high - low + 1); }
    std::size_t size() { return between(least_size, greatest_size); }

  private:
    std::uint64_t state_;
};

[[noreturn]] inline void fail(const char* what) {
    std::fprintf(stderr, "bench: %s\n", what);
    std::exit(3);
}

inline unsigned char tag_of(const void* object) {
    return static_cast<unsigned char>((reinterpret_cast<std::uintptr_t>(object) >> 4) | 1);
}

inline void touch(void* object, std::size_t size) {
    auto* bytes = static_cast<volatile unsigned char*>(object);
    bytes[0] = tag_of(object);
    bytes[size - 1] = tag_of(object);
}

inline void check(const void* object) {
    if (*static_cast<const volatile unsigned char*>(object) != tag_of(object)) {
        fail("an object lost its contents: the allocator handed out memory in use");
    }
}

inline void* make(std::size_t size) {
    void* object = std::malloc(size);
    if (object == nullptr) fail("malloc returned NULL");
    touch(object, size);
    return object;
}

inline void drop(void* object) {
    check(object);
    std::free(object);
}

// Zeroed, resident memory for a driver's own tables, never from the allocator under test.
template <class T>
class Table {
  public:
    explicit Table(std::size_t count) : count_(count) {
        void* memory = mmap(nullptr, count_ * sizeof(T), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        if (memory == MAP_FAILED) fail("no memory for the driver's own table");
        items_ = static_cast<T*>(memory);
    }
    ~Table() { munmap(items_, count_ * sizeof(T)); }
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    std::size_t count() const { return count_; }
    T& operator[](std::size_t i) { return items_[i]; }
    T* begin() { return items_; }
    T* end() { return items_ + count_; }

  private:
    std::size_t count_;
    T* items_;
};

}  // namespace bench
