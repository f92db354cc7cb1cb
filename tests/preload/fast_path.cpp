// Pairs of calls that take the shortest way through the library and nothing else, for `instructions`: it runs
// this twice with different numbers of pairs and subtracts.
//
//   fast_path malloc|calloc|new|realloc|usable_size SIZE PAIRS
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const char* const call = argv[1];
    const std::size_t size = std::strtoul(argv[2], nullptr, 10);
    const std::size_t pairs = std::strtoul(argv[3], nullptr, 10);
    if (std::strcmp(call, "malloc") == 0) {
        for (std::size_t i = 0; i < pairs; ++i) std::free(std::malloc(size));
    } else if (std::strcmp(call, "calloc") == 0) {
        for (std::size_t i = 0; i < pairs; ++i) std::free(std::calloc(1, size));
    } else if (std::strcmp(call, "new") == 0) {
        for (std::size_t i = 0; i < pairs; ++i) ::operator delete(::operator new(size));
    } else if (std::strcmp(call, "realloc") == 0) {
        void* block = std::malloc(size);
        for (std::size_t i = 0; i < pairs && block != nullptr; ++i) block = std::realloc(block, size);
        std::free(block);
    } else if (std::strcmp(call, "usable_size") == 0) {
        void* const block = std::malloc(size);
        std::size_t bytes = size;
        for (std::size_t i = 0; i < pairs && bytes >= size; ++i) bytes = malloc_usable_size(block);
        std::free(block);
    } else {
        std::fprintf(stderr, "fast_path: no such call: %s\n", call);
        return 2;
    }
    return 0;
}
