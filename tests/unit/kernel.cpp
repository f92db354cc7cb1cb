// What stands between core and the kernel in the tests (see CMakeLists.txt). Larger pages than the kernel's
// own are whole numbers of its pages, so it takes what it is asked for.
#include <cerrno>
#include <cstdlib>

#include "faults.h"

using namespace tslab::test;

extern "C" {
void* __real__ZN5tslab2os7reserveEm(std::size_t bytes);
long __real__ZN5tslab2os6commitEPvm(void* start, std::size_t bytes);
long __real__ZN5tslab2os9give_backEPvm(void* start, std::size_t bytes);
bool __real__ZN5tslab2os11write_errorEPKcm(const char* text, std::size_t bytes);

std::size_t __wrap__ZN5tslab2os10page_bytesEv() {
    const char* const wanted = getenv("PAGE_BYTES");
    return wanted != nullptr ? std::stoul(wanted) : 4096;
}
void* __wrap__ZN5tslab2os7reserveEm(std::size_t bytes) {
    return reserve_fault.strikes() ? nullptr : __real__ZN5tslab2os7reserveEm(bytes);
}
long __wrap__ZN5tslab2os6commitEPvm(void* start, std::size_t bytes) {
    if (before_commit != nullptr) before_commit();
    return commit_fault.strikes() ? -ENOMEM : __real__ZN5tslab2os6commitEPvm(start, bytes);
}
long __wrap__ZN5tslab2os9give_backEPvm(void* start, std::size_t bytes) {
    return give_back_fault.strikes() ? -EINVAL : __real__ZN5tslab2os9give_backEPvm(start, bytes);
}
std::uint64_t __wrap__ZN5tslab2os12monotonic_msEv() {
    static std::atomic<std::uint64_t> now = 1'000'000;
    return now += clock_step_ms;
}
bool __wrap__ZN5tslab2os11write_errorEPKcm(const char* text, std::size_t bytes) {
    if (captured_lines == nullptr) return __real__ZN5tslab2os11write_errorEPKcm(text, bytes);
    captured_lines->append(text, bytes);
    return true;
}
}
