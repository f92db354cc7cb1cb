// operator new that fails calls the new_handler until it throws, is gone, or made room, and throws
// std::bad_alloc through us; the nothrow forms return null.
#include <sys/resource.h>

#include <memory>
#include <new>

#include "probe.h"

namespace {

constexpr std::align_val_t alignment{64};
size_t impossible = hide_size(PTRDIFF_MAX);
int handler_calls = 0;
struct FromHandler {};

void handler_that_gives_up() {
    if (++handler_calls == 3) std::set_new_handler(nullptr);
}
void handler_that_throws() {
    ++handler_calls;
    throw FromHandler{};
}
std::unique_ptr<char[]> ballast;
void handler_that_makes_room() {
    ++handler_calls;
    ballast.reset();
}

void (*const throwing[])() = {
    [] { hide(::operator new(impossible)); },
    [] { hide(::operator new[](impossible)); },
    [] { hide(::operator new(impossible, alignment)); },
    [] { hide(::operator new[](impossible, alignment)); },
    [] { hide(::operator new(hide_size(SIZE_MAX))); },
    [] { hide(new char[impossible]); },
};
void* (*const silent[])() = {
    [] { return ::operator new(impossible, std::nothrow); },
    [] { return ::operator new[](impossible, std::nothrow); },
    [] { return ::operator new(impossible, alignment, std::nothrow); },
    [] { return ::operator new[](impossible, alignment, std::nothrow); },
};

struct Witness {
    bool& gone;
    ~Witness() { gone = true; }
};

template <class Exception>
bool throws(void (*make)()) {
    bool unwound = false;
    try {
        Witness witness{unwound};
        make();
    } catch (Exception&) {
        return unwound;
    }
    return false;
}

}  // namespace

int main() {
    probe_start();
    for (auto make : throwing) CHECK(throws<std::bad_alloc>(make));
    for (auto make : silent) CHECK(make() == nullptr);

    for (auto make : throwing) {
        handler_calls = 0;
        std::set_new_handler(handler_that_gives_up);
        CHECK(throws<std::bad_alloc>(make) && handler_calls == 3);
        handler_calls = 0;
        std::set_new_handler(handler_that_throws);
        CHECK(throws<FromHandler>(make) && handler_calls == 1);
    }
    for (auto make : silent) {
        handler_calls = 0;
        std::set_new_handler(handler_that_gives_up);
        CHECK(make() == nullptr && handler_calls == 3);
        handler_calls = 0;
        std::set_new_handler([] {
            ++handler_calls;
            throw std::bad_alloc();
        });
        CHECK(make() == nullptr && handler_calls == 1);
    }

    // Room for one of them: the second needs what the handler gives back.
    constexpr size_t large = 48 << 20;
    ballast = std::make_unique<char[]>(large);
    rlimit limit{};
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = (status_kib("VmSize:") << 10) + large / 2;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    handler_calls = 0;
    std::set_new_handler(handler_that_makes_room);
    std::unique_ptr<char[]> second(new char[large]);
    CHECK(handler_calls == 1 && ballast == nullptr);
    std::set_new_handler(nullptr);
    return 0;
}
