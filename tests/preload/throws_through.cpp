// Exceptions pass through our operator new and through constructors of what it made, from several threads at
// once, while children are forked: each is caught with its value, and nothing is lost on the way.
#include <sys/wait.h>

#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "probe.h"

namespace {

struct Thrower {
    explicit Thrower(int value) {
        if (value % 3 == 0) throw std::runtime_error(std::string(100, 'x') + std::to_string(value));
        body[0] = static_cast<char>(value);
    }
    char body[200];
};

struct Refusal : std::bad_alloc {};
[[noreturn]] void refuse() { throw Refusal(); }

void throw_often(int rounds) {
    for (int i = 1; i <= rounds; i++) {
        try {
            const Thrower* const made = new Thrower(i);
            CHECK(i % 3 != 0);
            delete made;
        } catch (const std::runtime_error& error) {
            CHECK(i % 3 == 0 && error.what() + 100 == std::to_string(i));
        }
        try {
            free(hide(operator new(hide_size(SIZE_MAX / 2))));
            CHECK(false);
        } catch (const Refusal&) {
        }
    }
}

}  // namespace

int main() {
    probe_start();
    end_if_stuck();
    std::set_new_handler(refuse);
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++) threads.emplace_back(throw_often, 2000);
    for (int i = 0; i < 20; i++) {
        const pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            throw_often(50);
            exit(0);
        }
        int status = 0;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    for (std::thread& thread : threads) thread.join();
    return 0;
}
