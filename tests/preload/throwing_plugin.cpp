// C++ inside a C program: operator new of the impossible throws, and the plugin catches it.
#include <new>
#include <string>
#include <vector>

static int handler_calls;

extern "C" int plugin_survives(size_t impossible) {
    int caught = 0;
    try {
        std::vector<std::string> texts(20, std::string(100, 't'));
        std::string never(impossible / 2 - 10, 'x');
        return -1;
    } catch (std::bad_alloc&) {
        ++caught;
    }
    try {
        static_cast<void>(::operator new[](impossible, std::align_val_t{64}));
        return -1;
    } catch (std::bad_alloc&) {
        ++caught;
    }
    if (::operator new(impossible, std::nothrow) == nullptr) ++caught;
    handler_calls = 0;
    std::set_new_handler([] {
        if (++handler_calls == 2) std::set_new_handler(nullptr);
    });
    try {
        static_cast<void>(::operator new(impossible));
        return -1;
    } catch (std::bad_alloc&) {
        ++caught;
    }
    return handler_calls == 2 ? caught : -2;
}
