// Memory for what dlsym allocates before the next allocator is known: a static block, handed out once,
// zeroed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <atomic>

namespace tslab {

class Arena {
  public:
    // 16-aligned and zeroed; null when the arena is used up.
    void* take(size_t bytes) {
        const size_t whole = (bytes + kHeader + 15) & ~size_t{15};
        if (whole < bytes) return nullptr;
        const size_t at = used_.fetch_add(whole, std::memory_order_relaxed);
        if (at + whole > sizeof memory_) return nullptr;
        unsigned char* const block = memory_ + at + kHeader;
        reinterpret_cast<size_t*>(block)[-1] = whole - kHeader;
        return block;
    }

    bool owns(const void* pointer) const {
        return reinterpret_cast<uintptr_t>(pointer) - reinterpret_cast<uintptr_t>(memory_) < sizeof memory_;
    }

    static size_t usable_bytes(const void* pointer) { return static_cast<const size_t*>(pointer)[-1]; }

    bool is_used() const { return used_.load(std::memory_order_relaxed) != 0; }

  private:
    static constexpr size_t kHeader = 16;

    std::atomic<size_t> used_{};
    alignas(16) unsigned char memory_[std::size_t{512} << 10]{};  // takes no memory until it is used
};

}  // namespace tslab
