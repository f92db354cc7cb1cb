// A C++ program with a malloc of its own: operator new goes there too, as libstdc++'s does, so that free
// takes what new made and delete takes what malloc made.
#include <sys/mman.h>

#include <memory>
#include <string>
#include <thread>

#include "probe.h"

namespace {

constexpr size_t kArenaBytes = 64 << 20;
unsigned char* arena;
size_t used;

bool is_bundled(const void* p) { return p >= arena && p < arena + kArenaBytes; }

}  // namespace

extern "C" void* malloc(size_t n) noexcept {
    if (arena == nullptr)
        arena = static_cast<unsigned char*>(
            mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (n > kArenaBytes) {
        errno = ENOMEM;
        return nullptr;
    }
    const size_t at = __atomic_fetch_add(&used, (n + 15) & ~size_t{15}, __ATOMIC_RELAXED);
    return at + n <= kArenaBytes ? arena + at : nullptr;
}
extern "C" void free(void* p) noexcept {
    if (p != nullptr && !is_bundled(p)) abort();
}
extern "C" void* calloc(size_t count, size_t n) noexcept { return malloc(count * n); }
extern "C" void* realloc(void* p, size_t n) noexcept {
    void* moved = malloc(n);
    if (p != nullptr && moved != nullptr) memcpy(moved, p, n);
    return moved;
}

int main() {
    probe_start();
    for (size_t n : {10u, 100u, 700u, 5000u}) {
        void* made = hide(::operator new(n));
        CHECK(is_bundled(made) && !is_ours(made));
        free(made);
        free(hide(::operator new[](n, std::nothrow)));
        ::operator delete(hide(malloc(n)));
    }
    try {
        hide(::operator new(hide_size(PTRDIFF_MAX)));
        return 1;
    } catch (std::bad_alloc&) {
    }
    std::string text(300, 'x');
    std::thread([&] { text += std::string(500, 'y'); }).join();
    CHECK(text.size() == 800 && is_bundled(text.data()));
    return 0;
}
