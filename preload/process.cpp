// The life of the process: when the library starts, what stands in front of the next allocator from then on,
// and what is said at the end.
#include "process.h"

#include <stddef.h>
#include <stdint.h>

#include "core/allocator.h"
#include "fallback/next.h"

using namespace tslab;

// Where our code begins and ends: the linker knows.
extern "C" TSLAB_INTERNAL const char __ehdr_start[];
extern "C" TSLAB_INTERNAL const char etext[];

namespace {

// Begins before a request goes on to the next allocator, and lives until it is answered.
class Forwarding {
  public:
    TSLAB_HOT explicit Forwarding(size_t bytes, size_t alignment = 0) : counted_(count(bytes, alignment)) {}

    // Whether figures are wanted.
    static inline constinit bool counts = false;

  private:
    TSLAB_HOT static bool count(size_t bytes, size_t alignment) {
        if (counts) count_forwarded(bytes, alignment);
        return true;
    }

    [[maybe_unused]] bool counted_;  // before the thread stands aside
    Aside aside_;
};

constexpr size_t kPageAlignment = 4096;  // of valloc and pvalloc, at least

// Stand in front of the next allocator's functions where figures are wanted, or where it is not
// libc's and may call the family by name. Elsewhere a forwarded call goes straight on.
namespace watched {

constinit Next next{};

void* malloc(size_t bytes) {
    const Forwarding forwarding(bytes);
    return next.malloc(bytes);
}
void* calloc(size_t count, size_t bytes) {
    size_t total;
    const Forwarding forwarding(__builtin_mul_overflow(count, bytes, &total) ? SIZE_MAX : total);
    return next.calloc(count, bytes);
}
void* realloc(void* pointer, size_t bytes) {
    const Forwarding forwarding(bytes);
    return next.realloc(pointer, bytes);
}
void* memalign(size_t alignment, size_t bytes) {
    const Forwarding forwarding(bytes, alignment);
    return next.memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) {
    const Forwarding forwarding(bytes, alignment);
    return next.aligned_alloc(alignment, bytes);
}
int posix_memalign(void** pointer, size_t alignment, size_t bytes) {
    const Forwarding forwarding(bytes, alignment);
    return next.posix_memalign(pointer, alignment, bytes);
}
void* valloc(size_t bytes) {
    const Forwarding forwarding(bytes, kPageAlignment);
    return next.valloc(bytes);
}
void* pvalloc(size_t bytes) {
    const Forwarding forwarding(bytes, kPageAlignment);
    return next.pvalloc(bytes);
}

}  // namespace watched

void watch_next() {
    const bool libc_is_next = by_libc_name.malloc == next.malloc;
    Forwarding::counts = options.wants_figures();
    watched::next = next;
    next.malloc = watched::malloc;
    next.calloc = watched::calloc;
    next.realloc = watched::realloc;
    next.memalign = watched::memalign;
    next.aligned_alloc = watched::aligned_alloc;
    next.posix_memalign = watched::posix_memalign;
    next.valloc = watched::valloc;
    next.pvalloc = watched::pvalloc;
    front = next;
    if (libc_is_next) by_libc_name = next;
}

// As ready_libc, for another that needs it; not before all libraries have been loaded, as our start may lie
// within its own.
void ready_next() {
    const Aside aside;
    watched::next.free(watched::next.malloc(1));
}

}  // namespace

void tslab::start_process(bool now) {
    if (finding_next()) return;
    find_next();
    const char* const obstacle = !comes_first()             ? "another malloc comes first"
                                 : memory_checker_present() ? "a memory checker is present"
                                                            : nullptr;
    const bool started = start({next_name(), next_is_mixed(), obstacle}, now);
    if (!started) return;
    ready_libc();
    if (options.wants_figures() || !next_is_libc()) watch_next();
}

namespace {

[[gnu::constructor]] void loaded() {
    if (phase() == Phase::unstarted) start_process(true);
    if (phase() == Phase::active && !next_is_libc()) ready_next();
    if (options.watches()) start_watching(__ehdr_start, etext);
}

[[gnu::destructor]] void unloaded() {
    end_process();
    if (options.latency != 0) print_latency();
    if (options.profile != 0) write_profile();
}

}  // namespace
