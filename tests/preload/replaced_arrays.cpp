// A program that replaces the array forms of operator new and delete only: forms for arrays lead there,
// others do not.
#include <new>

#include "probe.h"

namespace {

long arrays;

}  // namespace

void* operator new[](size_t n) {
    ++arrays;
    return static_cast<char*>(malloc(n + 16)) + 16;
}
void operator delete[](void* p) noexcept {
    if (p == nullptr) return;
    --arrays;
    free(static_cast<char*>(p) - 16);
}

int main() {
    probe_start();
    for (int i = 0; i < 100; ++i) {
        void* const some[] = {hide(::operator new[](100)), hide(::operator new[](100, std::nothrow)),
                              hide(::operator new[](200))};
        CHECK(arrays == 3);
        ::operator delete[](some[0], size_t{100});
        ::operator delete[](some[1]);
        ::operator delete[](some[2], std::nothrow);
        CHECK(arrays == 0);
        ::operator delete (hide(::operator new(100)), size_t{100});
        ::operator delete(hide(::operator new(100, std::nothrow)), std::nothrow);
        CHECK(arrays == 0);
    }
    return 0;
}
