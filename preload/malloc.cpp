// The malloc family as the process sees it: each function serves what is ours and hands the rest to the next
// allocator. Behaviour follows malloc(3), posix_memalign(3) and malloc_usable_size(3) of glibc.

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include <new>

#include "core/allocator.h"
#include "fallback/next.h"
#include "process.h"

using namespace tslab;

#define TSLAB_CALLER __builtin_return_address(0)

namespace {

// The slow ends
// -----------------------------------------------------------------------------------------------

// A slot, or null where the next allocator has to serve.
void* take_slow(size_t bytes) {
    if (phase() == Phase::unstarted) start_process(false);
    return serves(bytes) ? allocate_slow(bytes) : nullptr;
}

TSLAB_COLD void* malloc_slow(size_t bytes, const Next& onward) {
    void* const slot = take_slow(bytes);
    return slot != nullptr ? slot : onward.malloc(bytes);
}

TSLAB_COLD void* calloc_slow(size_t count, size_t bytes, const Next& onward) {
    void* const slot = take_slow(count * bytes);
    return slot != nullptr ? memset(slot, 0, slot_bytes(count * bytes)) : onward.calloc(count, bytes);
}

TSLAB_COLD void* fail_overflow() {
    errno = ENOMEM;
    return nullptr;
}

TSLAB_HOT void* allocate_any(size_t bytes, const Next& onward = next) {
    if (!serves(bytes)) return onward.malloc(bytes);
    if (void* const slot = allocate(bytes)) return slot;
    return malloc_slow(bytes, onward);
}

TSLAB_COLD void free_odd(void* pointer) {
    if (!free_owned_slow(pointer)) next.free(pointer);
}

// Not cold: where objects are old, or another thread's, this is where most of them are freed.
[[gnu::noinline]] void free_slow(Held held) {
    if (!free_in_slab(held)) free_odd(held.slot);
}

TSLAB_HOT void free_any(void* pointer, const Next& onward = next) {
    if (!owns(pointer)) return onward.free(pointer);
    Held held;
    if (!free_owned(pointer, held)) free_slow(held);
}

TSLAB_HOT void* clear_allocate(size_t count, size_t bytes, const Next& onward = next) {
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total)) return fail_overflow();
    if (!serves(total)) return onward.calloc(count, bytes);
    if (void* const slot = allocate(total)) return memset(slot, 0, slot_bytes(total));
    return calloc_slow(count, bytes, onward);
}

// From one allocator to the other, or from slot to slot: the old block stays where the new one cannot be had.
[[gnu::noinline]] void* resize_into_range(void* pointer, size_t bytes) {
    if (pointer == nullptr) return allocate_any(bytes);
    if (!next_knows_sizes()) return next.realloc(pointer, bytes);
    void* moved = allocate(bytes);
    if (moved == nullptr) moved = take_slow(bytes);
    if (moved == nullptr) return next.realloc(pointer, bytes);
    const size_t old_bytes = next.malloc_usable_size(pointer);
    memcpy(moved, pointer, old_bytes < bytes ? old_bytes : bytes);
    next.free(pointer);
    return moved;
}

// Not a live slot's: the next allocator's after all, or misuse.
TSLAB_COLD void* resize_odd(void* pointer, size_t bytes) {
    if (!still_owns(pointer))
        return serves(bytes) ? resize_into_range(pointer, bytes) : next.realloc(pointer, bytes);
    report_resize(pointer);
    errno = EINVAL;
    return nullptr;
}

TSLAB_HOT bool stays(size_t old_bytes, size_t bytes) {
    return serves(bytes) && slot_bytes(bytes) == old_bytes;
}

[[gnu::noinline]] void* resize_live(void* pointer, size_t old_bytes, size_t bytes, const Next& onward) {
    if (bytes == 0) {
        free_any(pointer);
        return nullptr;
    }
    if (serves(bytes) && may_be_lent_for(pointer, bytes)) return pointer;
    void* const moved = allocate_any(bytes, onward);
    if (moved == nullptr) return bytes <= old_bytes ? pointer : nullptr;
    memcpy(moved, pointer, old_bytes < bytes ? old_bytes : bytes);
    free_any(pointer);
    return moved;
}

// Not cold, as what it calls: many blocks grow step by step, and mostly stay within their slot.
[[gnu::noinline]] void* resize_owned(void* pointer, size_t bytes) {
    const size_t old_bytes = usable_bytes(pointer);
    if (old_bytes == 0) return resize_odd(pointer, bytes);
    return stays(old_bytes, bytes) ? pointer : resize_live(pointer, old_bytes, bytes, next);
}

TSLAB_HOT void* resize(void* pointer, size_t bytes, const Next& onward = next) {
    if (owns_high(pointer)) return resize_owned(pointer, bytes);
    if (serves(bytes)) return resize_into_range(pointer, bytes);
    return onward.realloc(pointer, bytes);
}

TSLAB_COLD size_t odd_usable_size(void* pointer) {
    return still_owns(pointer) ? 0 : next.malloc_usable_size(pointer);
}

bool is_power_of_two(size_t value) { return value != 0 && (value & (value - 1)) == 0; }

// A slot of this alignment, or null where the next allocator has to serve or to refuse.
void* take_aligned(size_t alignment, size_t bytes) {
    if (phase() == Phase::unstarted) start_process(false);
    const size_t whole = is_power_of_two(alignment) ? aligned_bytes(alignment, bytes) : 0;
    if (whole == 0) return nullptr;
    void* const slot = allocate(whole);
    return slot != nullptr ? slot : allocate_slow(whole);
}

// Both are entered by tail calls, so that the fast path saves no register and they return to its caller.
TSLAB_COLD void* new_slow(size_t bytes) {
    void* const block = malloc_slow(bytes, front);
    return block != nullptr ? block : next_operator_new(TSLAB_CALLER, bytes);
}
[[gnu::noinline]] void* new_elsewhere(size_t bytes) {
    void* const block = front.malloc(bytes);
    return block != nullptr ? block : next_operator_new(TSLAB_CALLER, bytes);
}

TSLAB_HOT void* allocate_or_throw(size_t bytes) {
    if (!serves(bytes)) return new_elsewhere(bytes);
    if (void* const slot = allocate(bytes)) return slot;
    return new_slow(bytes);
}

void* allocate_aligned(size_t alignment, size_t bytes, const Next& onward) {
    void* const slot = take_aligned(alignment, bytes);
    return slot != nullptr ? slot : onward.memalign(alignment, bytes);
}

void* allocate_or_null(size_t bytes, const std::nothrow_t& tag, const void* caller) {
    void* const block = allocate_any(bytes, front);
    return block != nullptr ? block : next_operator_new(caller, bytes, tag);
}

void* allocate_aligned_or_null(size_t bytes, std::align_val_t alignment, const std::nothrow_t& tag,
                               const void* caller) {
    void* const block = allocate_aligned(static_cast<size_t>(alignment), bytes, front);
    return block != nullptr ? block : next_operator_new(caller, bytes, alignment, tag);
}

void* allocate_aligned_or_throw(size_t bytes, std::align_val_t alignment, const void* caller) {
    void* const block = allocate_aligned(static_cast<size_t>(alignment), bytes, front);
    return block != nullptr ? block : next_operator_new(caller, bytes, alignment);
}

}  // namespace

// The C family
// ------------------------------------------------------------------------------------------------

extern "C" {

TSLAB_EXPORT void* malloc(size_t bytes) noexcept { return allocate_any(bytes); }
TSLAB_EXPORT void free(void* pointer) noexcept { free_any(pointer); }
TSLAB_EXPORT void* calloc(size_t count, size_t bytes) noexcept { return clear_allocate(count, bytes); }
TSLAB_EXPORT void* realloc(void* pointer, size_t bytes) noexcept { return resize(pointer, bytes); }

TSLAB_EXPORT void* reallocarray(void* pointer, size_t count, size_t bytes) noexcept {
    size_t total;
    return __builtin_mul_overflow(count, bytes, &total) ? fail_overflow() : resize(pointer, total, front);
}

TSLAB_EXPORT void* memalign(size_t alignment, size_t bytes) noexcept {
    return allocate_aligned(alignment, bytes, next);
}

TSLAB_EXPORT void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
    void* const slot = take_aligned(alignment, bytes);
    return slot != nullptr ? slot : next.aligned_alloc(alignment, bytes);
}

TSLAB_EXPORT int posix_memalign(void** pointer, size_t alignment, size_t bytes) noexcept {
    void* const slot = alignment % sizeof(void*) == 0 ? take_aligned(alignment, bytes) : nullptr;
    if (slot == nullptr) return next.posix_memalign(pointer, alignment, bytes);
    *pointer = slot;
    return 0;
}

// Aligned to pages: never ours.
TSLAB_EXPORT void* valloc(size_t bytes) noexcept { return next.valloc(bytes); }
TSLAB_EXPORT void* pvalloc(size_t bytes) noexcept { return next.pvalloc(bytes); }

TSLAB_EXPORT size_t malloc_usable_size(void* pointer) noexcept {
    if (!owns(pointer)) return next.malloc_usable_size(pointer);
    const size_t bytes = usable_bytes(pointer);
    return bytes != 0 ? bytes : odd_usable_size(pointer);
}

TSLAB_EXPORT int malloc_trim(size_t pad) noexcept {
    const bool ours = trim() != 0;
    return next.malloc_trim(pad) != 0 || ours;
}

// C23: the size and the alignment are hints, and never trusted.
TSLAB_EXPORT void free_sized(void* pointer, size_t) noexcept { free_any(pointer, front); }
TSLAB_EXPORT void free_aligned_sized(void* pointer, size_t, size_t) noexcept { free_any(pointer, front); }

// Removed from glibc's headers; old programs still call it.
TSLAB_EXPORT void cfree(void* pointer) noexcept { free_any(pointer, front); }

// The names by which who wraps malloc reaches glibc's: a program, or the next allocator. What is not served
// goes on to glibc's, and a block of glibc's stays one.
TSLAB_EXPORT void* __libc_malloc(size_t bytes) noexcept { return allocate_any(bytes, by_libc_name); }
TSLAB_EXPORT void __libc_free(void* pointer) noexcept { free_any(pointer, by_libc_name); }
TSLAB_EXPORT void* __libc_calloc(size_t count, size_t bytes) noexcept {
    return clear_allocate(count, bytes, by_libc_name);
}
TSLAB_EXPORT void* __libc_realloc(void* pointer, size_t bytes) noexcept {
    if (pointer == nullptr) return allocate_any(bytes, by_libc_name);
    if (!owns(pointer)) return by_libc_name.realloc(pointer, bytes);
    const size_t old_bytes = usable_bytes(pointer);
    if (old_bytes == 0) return resize_odd(pointer, bytes);
    return stays(old_bytes, bytes) ? pointer : resize_live(pointer, old_bytes, bytes, by_libc_name);
}
TSLAB_EXPORT void* __libc_memalign(size_t alignment, size_t bytes) noexcept {
    return allocate_aligned(alignment, bytes, by_libc_name);
}
TSLAB_EXPORT void* __libc_valloc(size_t bytes) noexcept { return by_libc_name.valloc(bytes); }
TSLAB_EXPORT void* __libc_pvalloc(size_t bytes) noexcept { return by_libc_name.pvalloc(bytes); }

// A library opened with RTLD_DEEPBIND would resolve free to libc's, past us, and hand it our pointers. A tail
// call, so that the loader still sees who called.
TSLAB_EXPORT void* dlopen(const char* file, int mode) noexcept {
    return behind.dlopen(file, options.deepbind ? mode & ~RTLD_DEEPBIND : mode);
}

}  // extern "C"

// Operator new and delete
// -------------------------------------------------------------------------------------

#define TSLAB_OPERATOR [[gnu::visibility("default")]]

// A program may replace some forms and leave others. As the standard has it, those that it leaves lead to its
// own: arrays to single objects, and what is told a size or answers null to what is not.

// Our forms that others lead to, whatever the process has under their names.
#define TSLAB_OWN_NEW(name) [[gnu::alias(name), gnu::visibility("hidden"), gnu::alloc_size(1), gnu::malloc]]
#define TSLAB_OWN_DELETE(name) [[gnu::alias(name), gnu::visibility("hidden")]]
extern "C" {
TSLAB_OWN_NEW("_Znwm") void* tslab_own_new(size_t);
TSLAB_OWN_NEW("_Znam") void* tslab_own_new_array(size_t);
TSLAB_OWN_NEW("_ZnwmSt11align_val_t") void* tslab_own_new_aligned(size_t, std::align_val_t);
TSLAB_OWN_NEW("_ZnamSt11align_val_t") void* tslab_own_new_array_aligned(size_t, std::align_val_t);
TSLAB_OWN_DELETE("_ZdlPv") void tslab_own_delete(void*) noexcept;
TSLAB_OWN_DELETE("_ZdaPv") void tslab_own_delete_array(void*) noexcept;
TSLAB_OWN_DELETE("_ZdlPvSt11align_val_t") void tslab_own_delete_aligned(void*, std::align_val_t) noexcept;
TSLAB_OWN_DELETE("_ZdaPvSt11align_val_t")
void tslab_own_delete_array_aligned(void*, std::align_val_t) noexcept;
}

namespace {

template <typename Form>
TSLAB_HOT bool is_own(Form* named, Form* own) {
    asm("" : "+r"(own));  // or the compiler takes them for two functions
    return named == own;
}

using New = void*(size_t);
using NewAligned = void*(size_t, std::align_val_t);
using Delete = void(void*) noexcept;
using DeleteAligned = void(void*, std::align_val_t) noexcept;

TSLAB_HOT bool owns_new() { return is_own<New>(&::operator new, &tslab_own_new); }
TSLAB_HOT bool owns_new_aligned() { return is_own<NewAligned>(&::operator new, &tslab_own_new_aligned); }
TSLAB_HOT bool owns_new_array() { return is_own<New>(&::operator new[], &tslab_own_new_array) && owns_new(); }
TSLAB_HOT bool owns_new_array_aligned() {
    return is_own<NewAligned>(&::operator new[], &tslab_own_new_array_aligned) && owns_new_aligned();
}

TSLAB_HOT void delete_one(void* pointer) {
    if (!is_own<Delete>(&::operator delete, &tslab_own_delete)) return ::operator delete(pointer);
    free_any(pointer, front);
}
TSLAB_HOT void delete_array(void* pointer) {
    if (!is_own<Delete>(&::operator delete[], &tslab_own_delete_array)) return ::operator delete[](pointer);
    delete_one(pointer);
}
TSLAB_HOT void delete_one(void* pointer, std::align_val_t alignment) {
    if (!is_own<DeleteAligned>(&::operator delete, &tslab_own_delete_aligned))
        return ::operator delete(pointer, alignment);
    free_any(pointer, front);
}
TSLAB_HOT void delete_array(void* pointer, std::align_val_t alignment) {
    if (!is_own<DeleteAligned>(&::operator delete[], &tslab_own_delete_array_aligned))
        return ::operator delete[](pointer, alignment);
    delete_one(pointer, alignment);
}

}  // namespace

TSLAB_OPERATOR void* operator new(size_t bytes) { return allocate_or_throw(bytes); }
TSLAB_OPERATOR void* operator new[](size_t bytes) {
    return owns_new() ? allocate_or_throw(bytes) : ::operator new(bytes);
}
TSLAB_OPERATOR void* operator new(size_t bytes, const std::nothrow_t& tag) noexcept {
    return owns_new() ? allocate_or_null(bytes, tag, TSLAB_CALLER)
                      : next_operator_new(TSLAB_CALLER, bytes, tag);
}
TSLAB_OPERATOR void* operator new[](size_t bytes, const std::nothrow_t& tag) noexcept {
    return owns_new_array() ? allocate_or_null(bytes, tag, TSLAB_CALLER)
                            : next_operator_new_array(TSLAB_CALLER, bytes, tag);
}
TSLAB_OPERATOR void* operator new(size_t bytes, std::align_val_t alignment) {
    return allocate_aligned_or_throw(bytes, alignment, TSLAB_CALLER);
}
TSLAB_OPERATOR void* operator new[](size_t bytes, std::align_val_t alignment) {
    return owns_new_aligned() ? allocate_aligned_or_throw(bytes, alignment, TSLAB_CALLER)
                              : ::operator new(bytes, alignment);
}
TSLAB_OPERATOR void* operator new(size_t bytes, std::align_val_t alignment,
                                  const std::nothrow_t& tag) noexcept {
    return owns_new_aligned() ? allocate_aligned_or_null(bytes, alignment, tag, TSLAB_CALLER)
                              : next_operator_new(TSLAB_CALLER, bytes, alignment, tag);
}
TSLAB_OPERATOR void* operator new[](size_t bytes, std::align_val_t alignment,
                                    const std::nothrow_t& tag) noexcept {
    return owns_new_array_aligned() ? allocate_aligned_or_null(bytes, alignment, tag, TSLAB_CALLER)
                                    : next_operator_new_array(TSLAB_CALLER, bytes, alignment, tag);
}

TSLAB_OPERATOR void operator delete(void* pointer) noexcept { free_any(pointer, front); }
TSLAB_OPERATOR void operator delete[](void* pointer) noexcept { delete_one(pointer); }
TSLAB_OPERATOR void operator delete(void* pointer, size_t) noexcept { delete_one(pointer); }
TSLAB_OPERATOR void operator delete[](void* pointer, size_t) noexcept { delete_array(pointer); }
TSLAB_OPERATOR void operator delete(void* pointer, const std::nothrow_t&) noexcept { delete_one(pointer); }
TSLAB_OPERATOR void operator delete[](void* pointer, const std::nothrow_t&) noexcept {
    delete_array(pointer);
}
TSLAB_OPERATOR void operator delete(void* pointer, std::align_val_t) noexcept { free_any(pointer, front); }
TSLAB_OPERATOR void operator delete[](void* pointer, std::align_val_t alignment) noexcept {
    delete_one(pointer, alignment);
}
TSLAB_OPERATOR void operator delete(void* pointer, size_t, std::align_val_t alignment) noexcept {
    delete_one(pointer, alignment);
}
TSLAB_OPERATOR void operator delete[](void* pointer, size_t, std::align_val_t alignment) noexcept {
    delete_array(pointer, alignment);
}
TSLAB_OPERATOR void operator delete(void* pointer, std::align_val_t alignment,
                                    const std::nothrow_t&) noexcept {
    delete_one(pointer, alignment);
}
TSLAB_OPERATOR void operator delete[](void* pointer, std::align_val_t alignment,
                                      const std::nothrow_t&) noexcept {
    delete_array(pointer, alignment);
}
