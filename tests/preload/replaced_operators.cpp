// A program that replaces the plain forms of operator new and delete, with and without an alignment, and puts
// a mark before each object: every other form has to lead to these, as the standard says.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "probe.h"

namespace {

constexpr size_t kMark = 0x5ca1ab1e;
long alive;

// `before` is as large as the alignment, so that the object has it too.
void* marked(void* block, size_t before) {
    CHECK(block != nullptr);
    ++alive;
    char* const object = static_cast<char*>(block) + before;
    reinterpret_cast<size_t*>(object)[-1] = kMark + before;
    return object;
}
void unmarked(void* object, size_t before) {
    if (object == nullptr) return;
    CHECK(static_cast<size_t*>(object)[-1] == kMark + before);
    static_cast<size_t*>(object)[-1] = 0;
    --alive;
    free(static_cast<char*>(object) - before);
}

struct alignas(64) Line {
    char bytes[128];
    ~Line() { bytes[0] = 1; }
};
struct Small {
    char bytes[200];
    ~Small() { bytes[0] = 1; }
};

// Each form of new with each of delete that may follow it.
template <typename T>
void use() {
    delete static_cast<T*>(hide(new T));
    delete static_cast<T*>(hide(new (std::nothrow) T));
    delete[] static_cast<T*>(hide(new T[3]));
    delete[] static_cast<T*>(hide(new (std::nothrow) T[3]));
}

}  // namespace

void* operator new(size_t n) { return marked(malloc(n + 16), 16); }
void operator delete(void* p) noexcept { unmarked(p, 16); }
void* operator new(size_t n, std::align_val_t) {
    return marked(aligned_alloc(64, (n + 64 + 63) & ~size_t{63}), 64);
}
void operator delete(void* p, std::align_val_t) noexcept { unmarked(p, 64); }

int main() {
    probe_start();
    const long before = alive;
    for (int i = 0; i < 100; ++i) {
        use<Small>();
        use<Line>();
        CHECK(alive == before);
        const std::align_val_t line{64};
        ::operator delete (::operator new(100), size_t{100});
        ::operator delete[](::operator new[](100), size_t{100});
        ::operator delete(::operator new(100, std::nothrow), std::nothrow);
        ::operator delete[](::operator new[](100, std::nothrow), std::nothrow);
        ::operator delete (::operator new(100, line), size_t{100}, line);
        ::operator delete[](::operator new[](100, line), size_t{100}, line);
        ::operator delete(::operator new(100, line, std::nothrow), line, std::nothrow);
        ::operator delete[](::operator new[](100, line, std::nothrow), line, std::nothrow);
        CHECK(alive == before);
    }
    {
        std::map<int, std::string> names;
        for (int i = 0; i < 5000; ++i) names[i] = std::string(static_cast<size_t>(i % 300), 'x');
        const auto shared = std::make_shared<std::vector<double>>(5000);
        CHECK(alive > before + 5000);
    }
    CHECK(alive == before);
    return 0;
}
