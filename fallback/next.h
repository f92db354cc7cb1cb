// The allocator that owned malloc before us: what RTLD_NEXT finds after our library, libc's in most programs.
#pragma once

#include <stddef.h>

#include <new>

#include "core/base.h"

namespace tslab {

// clang-format off
// name, result, parameters, arguments
#define TSLAB_NEXT_FUNCTIONS(row) \
    row(malloc, void*, (size_t bytes), (bytes)) \
    row(free, void, (void* pointer), (pointer)) \
    row(calloc, void*, (size_t count, size_t bytes), (count, bytes)) \
    row(realloc, void*, (void* pointer, size_t bytes), (pointer, bytes)) \
    row(memalign, void*, (size_t alignment, size_t bytes), (alignment, bytes)) \
    row(aligned_alloc, void*, (size_t alignment, size_t bytes), (alignment, bytes)) \
    row(posix_memalign, int, (void** pointer, size_t alignment, size_t bytes), (pointer, alignment, bytes)) \
    row(valloc, void*, (size_t bytes), (bytes)) \
    row(pvalloc, void*, (size_t bytes), (bytes)) \
    row(malloc_usable_size, size_t, (void* pointer), (pointer)) \
    row(malloc_trim, int, (size_t pad), (pad)) \
    row(dlopen, void*, (const char* file, int mode), (file, mode))
// clang-format on

// Callable from the first instruction on: until the real functions are known each entry is one that looks
// them all up first. The lookup takes no lock of ours; threads that race do the same work and write the same
// values. What the lookup itself allocates comes from a small static arena, and is recognised for good.
struct Next {
#define TSLAB_MEMBER(name, result, parameters, arguments) result(*name) parameters;
    TSLAB_NEXT_FUNCTIONS(TSLAB_MEMBER)
#undef TSLAB_MEMBER
};
TSLAB_INTERNAL extern constinit Next next;

// What a call by name reaches. The same as `next`, but where a program or an earlier preload brings its own
// malloc: what only we define of the family follows that one, while calls that still come to us have been
// passed on by it, and are to go on.
TSLAB_INTERNAL extern constinit Next front;

// What stands behind us in the loader's order, with nothing of ours in front of it.
TSLAB_INTERNAL extern constinit Next behind;

// What the names of glibc's own, `__libc_malloc` and its like, lead to behind us: glibc's, also where the
// next malloc is another, which may pass on to them itself.
TSLAB_INTERNAL extern constinit Next by_libc_name;

// Whether this thread is looking them up: what it allocates then is not ours to serve.
bool finding_next();

// Looks them up where that has not been done. Any number of calls, any thread.
void find_next();

// Has glibc's malloc make itself ready, which it does in its first call, without a lock: making a thread
// allocates, so one thread is all there can be then. But where we serve that allocation, the first of glibc's
// may be two threads' at once. Comes before we serve any.
void ready_libc();

// Whether the process's malloc is ours, and `front` the same as `next`.
bool comes_first();

// The file that the malloc of `front` comes from, without its folder; for the banner.
const char* next_name();

// Whether parts of the next allocator come from another file than its malloc.
bool next_is_mixed();

// Whether the next malloc_usable_size is of the same file as its realloc, and so can be asked about its
// blocks.
bool next_knows_sizes();

// Whether the next malloc is libc's, which never calls the family by name, as others may.
bool next_is_libc();

// Whether a memory checker (a sanitizer's runtime, valgrind's replacement malloc) is in the process.
bool memory_checker_present();

// The next operator new, for when memory is short: calls the new_handler, tries again, then throws or, with
// the tag, answers null. It is looked for behind us, in the library that `caller` is code of, and in
// libstdc++ where that is loaded; where the process has none those that would throw say so and stop.
void* next_operator_new(const void* caller, size_t bytes);
void* next_operator_new(const void* caller, size_t bytes, std::align_val_t alignment);
void* next_operator_new(const void* caller, size_t bytes, const std::nothrow_t& tag);
void* next_operator_new(const void* caller, size_t bytes, std::align_val_t alignment,
                        const std::nothrow_t& tag);
// The same for operator new[].
void* next_operator_new_array(const void* caller, size_t bytes, const std::nothrow_t& tag);
void* next_operator_new_array(const void* caller, size_t bytes, std::align_val_t alignment,
                              const std::nothrow_t& tag);

}  // namespace tslab
