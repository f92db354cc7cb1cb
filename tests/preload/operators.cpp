// operator new and delete in all forms: aligned, with room, ours in our range; and any of them, as well as
// free, gives back what any other made, whatever size it is told. operators [least]: the least size that is
// ours.
#include <malloc.h>

#include <new>
#include <vector>

#include "probe.h"

namespace {

constexpr std::align_val_t alignment{64};

void* (*const makers[])(size_t) = {
    [](size_t n) { return ::operator new(n); },
    [](size_t n) { return ::operator new[](n); },
    [](size_t n) { return ::operator new(n, std::nothrow); },
    [](size_t n) { return ::operator new[](n, std::nothrow); },
    [](size_t n) { return ::operator new(n, alignment); },
    [](size_t n) { return ::operator new[](n, alignment); },
    [](size_t n) { return ::operator new(n, alignment, std::nothrow); },
    [](size_t n) { return ::operator new[](n, alignment, std::nothrow); },
    [](size_t n) { return malloc(n); },
    [](size_t n) { return aligned_alloc(64, n); },
};
void (*const breakers[])(void*, size_t) = {
    [](void* p, size_t) { ::operator delete(p); },
    [](void* p, size_t) { ::operator delete[](p); },
    [](void* p, size_t n) { ::operator delete(p, n); },
    [](void* p, size_t n) { ::operator delete[](p, n); },
    [](void* p, size_t) { ::operator delete(p, std::nothrow); },
    [](void* p, size_t) { ::operator delete[](p, std::nothrow); },
    [](void* p, size_t) { ::operator delete(p, alignment); },
    [](void* p, size_t) { ::operator delete[](p, alignment); },
    [](void* p, size_t n) { ::operator delete(p, n, alignment); },
    [](void* p, size_t n) { ::operator delete[](p, n, alignment); },
    [](void* p, size_t) { ::operator delete(p, alignment, std::nothrow); },
    [](void* p, size_t) { ::operator delete[](p, alignment, std::nothrow); },
    [](void* p, size_t) { free(p); },
    [](void* p, size_t n) { free(realloc(p, n + 500)); },
    // A wrong size: a derived object deleted through its base.
    [](void* p, size_t n) { ::operator delete(p, n / 2 + 1); },
    [](void* p, size_t n) { ::operator delete[](p, n * 5, alignment); },
};

struct alignas(128) Line {
    char bytes[128];
};
struct Counted {
    static inline int alive = 0;
    char bytes[72];
    Counted() { ++alive; }
    ~Counted() { --alive; }
};

}  // namespace

int main(int argc, char** argv) {
    probe_start();
    size_t least = argc > 1 ? strtoul(argv[1], nullptr, 10) : 64;
    uint64_t seed = 0;
    for (size_t n : {1u, 16u, 63u, 64u, 65u, 100u, 256u, 400u, 767u, 768u, 769u, 5000u}) {
        for (size_t maker = 0; maker < std::size(makers); ++maker) {
            for (size_t breaker = 0; breaker < std::size(breakers); ++breaker) {
                void* before = hide(makers[maker](n));
                void* p = hide(makers[maker](n));
                bool aligned = (maker >= 4 && maker < 8) || maker == 9;
                CHECK(p != nullptr && is_aligned(p, aligned ? 64 : 16) && malloc_usable_size(p) >= n);
                if (!aligned) CHECK(is_ours(p) == (probe_owns != nullptr && n >= least && n <= 768));
                fill(before, n, ++seed);
                fill(p, n, seed + 1);
                CHECK(holds(before, n, seed));
                breakers[breaker](p, n);
                CHECK(holds(before, n, seed));
                breakers[(breaker + 5) % std::size(breakers)](before, n);
            }
        }
    }
    for (auto breaker : breakers) breaker(hide(nullptr), 100);
    // Were one of them to keep what it is given, 9 MB would stay for each.
    const size_t before = status_kib("VmRSS:");
    for (size_t i = 0; i < 14000 * std::size(breakers); ++i)
        breakers[i % std::size(breakers)](hide(::operator new(hide_size(700))), i % 1500);
    CHECK(status_kib("VmRSS:") < before + 6 * 1024);

    void *a = ::operator new(hide_size(0)), *b = ::operator new(hide_size(0));
    CHECK(a != nullptr && b != nullptr && a != b);
    ::operator delete(a), ::operator delete(b);

    auto* line = static_cast<Line*>(hide(new Line));
    auto* lines = static_cast<Line*>(hide(new Line[5]));
    CHECK(is_aligned(line, 128) && is_aligned(lines, 128));
    delete line;
    delete[] lines;
    auto* counted = static_cast<Counted*>(hide(new Counted[7]));
    CHECK(Counted::alive == 7);
    delete[] counted;
    CHECK(Counted::alive == 0);
    std::vector<Line> grown;
    for (int i = 0; i < 100; ++i) grown.emplace_back();
    CHECK(is_aligned(grown.data(), 128));
    return 0;
}
