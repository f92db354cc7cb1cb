// Calls of one kind and size and nothing else, for bench/forwarded: it runs this twice with different numbers
// of calls and subtracts, so what is done once per process does not count.
//
//   forwarded_calls malloc|free|calloc|realloc SIZE CALLS     makes CALLS calls, at most 4096
//   forwarded_calls time SIZE PAIRS                           prints nanoseconds per malloc+free
#include <array>
#include <cstring>

#include "clock.h"
#include "objects.h"
#include "team.h"

namespace {

constexpr std::size_t most_calls = 4096;
std::array<void*, most_calls> objects;

void make_all(std::size_t size) {
    for (void*& object : objects) object = std::malloc(size);
}

double ns_per_pair(std::size_t size, std::size_t pairs) {
    constexpr std::size_t live = 16;
    bench::pin_to_core(0);
    const auto turn = [&] {
        for (std::size_t i = 0; i < live; ++i) objects[i] = std::malloc(size);
        for (std::size_t i = 0; i < live; ++i) std::free(objects[i]);
    };
    for (std::size_t done = 0; done < pairs / 10; done += live) turn();
    const auto start = bench::now_ns();
    for (std::size_t done = 0; done < pairs; done += live) turn();
    return static_cast<double>(bench::now_ns() - start) / static_cast<double>(pairs);
}

}  // namespace

int main(int argc, char** argv) {
    const std::size_t size = argc == 4 ? std::strtoul(argv[2], nullptr, 10) : 0;
    const std::size_t calls = argc == 4 ? std::strtoul(argv[3], nullptr, 10) : 0;
    const char* call = argc == 4 ? argv[1] : "";
    if (size != 0 && std::strcmp(call, "time") == 0) {
        std::printf("%.6g\n", ns_per_pair(size, calls));
        return 0;
    }
    if (size == 0 || calls > most_calls) {
        std::fprintf(stderr,
                     "usage: forwarded_calls malloc|free|calloc|realloc|time SIZE CALLS (at most %zu)\n",
                     most_calls);
        return 2;
    }
    if (std::strcmp(call, "malloc") == 0) {
        for (std::size_t i = 0; i < calls; ++i) objects[i] = std::malloc(size);
    } else if (std::strcmp(call, "calloc") == 0) {
        for (std::size_t i = 0; i < calls; ++i) objects[i] = std::calloc(1, size);
    } else if (std::strcmp(call, "free") == 0) {
        make_all(size);
        for (std::size_t i = 0; i < calls; ++i) std::free(objects[i]);
    } else if (std::strcmp(call, "realloc") == 0) {
        make_all(size);
        for (std::size_t i = 0; i < calls; ++i) objects[i] = std::realloc(objects[i], size);
    } else {
        std::fprintf(stderr, "forwarded_calls: no such call: %s\n", call);
        return 2;
    }
    return 0;
}
