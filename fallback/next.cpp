#include "next.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "core/os.h"
#include "core/print.h"

namespace tslab {

namespace {

constinit Arena arena;

// Whether this thread is inside the lookup: what it allocates then comes from the arena.
constinit thread_local bool looking_up = false;

// Where set, what this thread's call of malloc during the lookup is to tell that it ended here.
constinit thread_local bool* reached = nullptr;

// Whether the process's malloc is ours.
constinit bool first_in_process = true;

// Whether malloc_usable_size and realloc, as they were found, are of one file.
constinit bool sizes_known = false;

// What `front` leads to where nothing of ours stands in front of it.
constinit Next found{};

// Aligned requests during the lookup have no caller in practice; they fail cleanly.
namespace during_lookup {

void* malloc(size_t bytes) {
    if (reached == nullptr) return arena.take(bytes);
    *reached = true;
    return nullptr;
}
void free(void*) {}
void* calloc(size_t count, size_t bytes) {
    size_t total;
    return __builtin_mul_overflow(count, bytes, &total) ? nullptr : arena.take(total);
}
void* realloc(void* pointer, size_t bytes) {
    void* const moved = arena.take(bytes);
    if (moved == nullptr || pointer == nullptr) return moved;
    const size_t old = Arena::usable_bytes(pointer);
    return memcpy(moved, pointer, old < bytes ? old : bytes);
}
void* memalign(size_t, size_t) { return nullptr; }
void* aligned_alloc(size_t, size_t) { return nullptr; }
int posix_memalign(void**, size_t, size_t) { return ENOMEM; }
void* valloc(size_t) { return nullptr; }
void* pvalloc(size_t) { return nullptr; }
size_t malloc_usable_size(void* pointer) { return pointer != nullptr ? Arena::usable_bytes(pointer) : 0; }
int malloc_trim(size_t) { return 0; }
void* dlopen(const char*, int) { return nullptr; }

}  // namespace during_lookup

// What `next` holds at first: finds the real functions, then calls the one that was meant.
namespace first_call {

#define TSLAB_FIRST(name, result, parameters, arguments)      \
    result name parameters {                                  \
        if (looking_up) return during_lookup::name arguments; \
        find_next();                                          \
        return next.name arguments;                           \
    }
TSLAB_NEXT_FUNCTIONS(TSLAB_FIRST)
#undef TSLAB_FIRST

}  // namespace first_call

// What by_libc_name leads to where nothing of ours stands in front of it.
constinit Next libc{};

// Stand in front of the functions that are handed a pointer, in a process where the arena was needed.
template <const Next& onward>
struct PastArena {
    static void free(void* pointer) {
        if (!arena.owns(pointer)) onward.free(pointer);
    }
    static void* realloc(void* pointer, size_t bytes) {
        if (!arena.owns(pointer)) return onward.realloc(pointer, bytes);
        void* const moved = onward.malloc(bytes);
        if (moved == nullptr) return nullptr;
        const size_t old = Arena::usable_bytes(pointer);
        return memcpy(moved, pointer, old < bytes ? old : bytes);
    }
    static size_t malloc_usable_size(void* pointer) {
        return arena.owns(pointer) ? Arena::usable_bytes(pointer) : onward.malloc_usable_size(pointer);
    }
};

template <const Next& onward>
Next with_arena() {
    Next functions = onward;
    if (!arena.is_used()) return functions;
    functions.free = PastArena<onward>::free;
    functions.realloc = PastArena<onward>::realloc;
    functions.malloc_usable_size = PastArena<onward>::malloc_usable_size;
    return functions;
}

// Our own library, by the linker's marks.
extern "C" {
TSLAB_INTERNAL extern const char __ehdr_start[];
TSLAB_INTERNAL extern const char _end[];
}

bool is_own(const void* symbol) { return symbol >= __ehdr_start && symbol < _end; }

// The start of the file that an address was loaded from; null where it is of none.
const void* file_of(const void* address) {
    Dl_info info;
    return dladdr(address, &info) != 0 ? info.dli_fbase : nullptr;
}

// A program that is linked to a fixed address stands for a function by a stub of its own, which calls it.
bool is_stub(const void* symbol) {
    Dl_info info;
    void* entry = nullptr;
    return dladdr1(symbol, &info, &entry, RTLD_DL_SYMENT) != 0 && entry != nullptr &&
           static_cast<const ElfW(Sym)*>(entry)->st_shndx == SHN_UNDEF;
}

template <typename Function>
void set(Function*& function, void* symbol) {
    if (symbol != nullptr) function = reinterpret_cast<Function*>(symbol);
}

Next absent() {
    return {
#define TSLAB_ABSENT(name, result, parameters, arguments) during_lookup::name,
        TSLAB_NEXT_FUNCTIONS(TSLAB_ABSENT)
#undef TSLAB_ABSENT
    };
}

Next find_behind() {
    Next functions = absent();
#define TSLAB_FIND(name, result, parameters, arguments) set(functions.name, dlsym(RTLD_NEXT, #name));
    TSLAB_NEXT_FUNCTIONS(TSLAB_FIND)
#undef TSLAB_FIND
    return functions;
}

Next find_libc() {
    Next functions = behind;
    set(functions.malloc, dlsym(RTLD_NEXT, "__libc_malloc"));
    set(functions.free, dlsym(RTLD_NEXT, "__libc_free"));
    set(functions.calloc, dlsym(RTLD_NEXT, "__libc_calloc"));
    set(functions.realloc, dlsym(RTLD_NEXT, "__libc_realloc"));
    set(functions.memalign, dlsym(RTLD_NEXT, "__libc_memalign"));
    set(functions.valloc, dlsym(RTLD_NEXT, "__libc_valloc"));
    set(functions.pvalloc, dlsym(RTLD_NEXT, "__libc_pvalloc"));
    return functions;
}

template <typename Function>
Function* by_name(const char* name) {
    return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

// Whether a call of malloc by name reaches ours. A stub does not say where it leads, so it is called: while
// this thread is looking up, ours ends in during_lookup.
bool malloc_is_ours() {
    const auto process_malloc = by_name<void*(size_t)>("malloc");
    void* const symbol = reinterpret_cast<void*>(process_malloc);
    if (is_own(symbol) || !is_stub(symbol)) return is_own(symbol);
    bool ended_here = false;
    reached = &ended_here;
    void* const block = process_malloc(1);
    reached = nullptr;
    if (!ended_here) by_name<void(void*)>("free")(block);
    return ended_here;
}

// What a call by name reaches, of a function that may be elsewhere since malloc is.
void* find_elsewhere(const char* name, bool with_malloc) {
    void* const symbol = dlsym(RTLD_DEFAULT, name);
    if (symbol == nullptr || is_own(symbol) || (!with_malloc && is_stub(symbol))) return nullptr;
    return symbol;
}

}  // namespace

#define TSLAB_INITIAL(name, result, parameters, arguments) first_call::name,
constinit Next next{TSLAB_NEXT_FUNCTIONS(TSLAB_INITIAL)};
constinit Next front{TSLAB_NEXT_FUNCTIONS(TSLAB_INITIAL)};
constinit Next behind{TSLAB_NEXT_FUNCTIONS(TSLAB_INITIAL)};
constinit Next by_libc_name{TSLAB_NEXT_FUNCTIONS(TSLAB_INITIAL)};
#undef TSLAB_INITIAL

void find_next() {
    if (found.malloc != nullptr) return;
    looking_up = true;
    behind = find_behind();
    libc = find_libc();
    Next named = behind;
    first_in_process = malloc_is_ours();
    if (!first_in_process) {
#define TSLAB_FIND(name, result, parameters, arguments) set(named.name, find_elsewhere(#name, false));
        TSLAB_NEXT_FUNCTIONS(TSLAB_FIND)
#undef TSLAB_FIND
        set(named.malloc, find_elsewhere("malloc", true));
        set(named.free, find_elsewhere("free", true));
        set(named.calloc, find_elsewhere("calloc", true));
        set(named.realloc, find_elsewhere("realloc", true));
    }
    sizes_known = file_of(reinterpret_cast<void*>(behind.malloc_usable_size)) ==
                  file_of(reinterpret_cast<void*>(behind.realloc));
    looking_up = false;
    found = named;
    by_libc_name = with_arena<libc>();
    const Next functions = with_arena<behind>();
    front = first_in_process ? functions : named;
    next = functions;
}

void ready_libc() { libc.free(libc.malloc(1)); }

const char* next_name() {
    Dl_info info;
    if (dladdr(reinterpret_cast<void*>(found.malloc), &info) == 0 || info.dli_fname == nullptr)
        return "unknown";
    const char* const slash = strrchr(info.dli_fname, '/');
    return slash != nullptr ? slash + 1 : info.dli_fname;
}

bool next_is_mixed() {
    void* const others[] = {reinterpret_cast<void*>(found.free), reinterpret_cast<void*>(found.calloc),
                            reinterpret_cast<void*>(found.realloc),
                            reinterpret_cast<void*>(found.posix_memalign)};
    const void* const file = file_of(reinterpret_cast<void*>(found.malloc));
    for (const void* other : others) {
        if (file_of(other) != file) return true;
    }
    return false;
}

bool next_knows_sizes() { return sizes_known; }

bool finding_next() { return looking_up; }

bool next_is_libc() {
    return file_of(reinterpret_cast<void*>(found.malloc)) == file_of(reinterpret_cast<void*>(getenv));
}

bool comes_first() { return first_in_process; }

// Known to the loader where the process has such a runtime; looking them up by name would allocate.
extern "C" {
[[gnu::weak]] void __asan_init();
[[gnu::weak]] void __tsan_init();
[[gnu::weak]] void __msan_init();
[[gnu::weak]] void __hwasan_init();
[[gnu::weak]] void __lsan_init();
}

bool memory_checker_present() {
    if (__asan_init != nullptr || __tsan_init != nullptr || __msan_init != nullptr ||
        __hwasan_init != nullptr || __lsan_init != nullptr) {
        return true;
    }
    // valgrind's tools that watch memory preload a library of their name; those that do not only its core.
    for (char** entry = os::environment(); entry != nullptr && *entry != nullptr; entry++) {
        if (strncmp(*entry, "LD_PRELOAD=", 11) != 0) continue;
        for (const char* at = *entry; (at = strstr(at, "vgpreload_")) != nullptr;) {
            at += strlen("vgpreload_");
            if (strncmp(at, "core", 4) != 0) return true;
        }
    }
    return false;
}

namespace {

void* find_in_file(const char* file, const char* name) {
    void* const library = behind.dlopen(file, RTLD_LAZY | RTLD_NOLOAD);
    return library != nullptr ? dlsym(library, name) : nullptr;
}

// A function of the C++ runtime by its mangled name; null where the process has none.
void* find_runtime(const void* caller, const char* name) {
    if (void* const symbol = dlsym(RTLD_NEXT, name); symbol != nullptr) return symbol;
    Dl_info info;
    if (dladdr(caller, &info) != 0 && info.dli_fname != nullptr) {
        void* const symbol = find_in_file(info.dli_fname, name);
        if (symbol != nullptr && !is_own(symbol)) return symbol;
    }
    return find_in_file("libstdc++.so.6", name);
}

template <typename... Arguments>
void* call_runtime_new(const void* caller, const char* name, Arguments... arguments) {
    const auto function = reinterpret_cast<void* (*)(Arguments...)>(find_runtime(caller, name));
    return function != nullptr ? function(arguments...) : nullptr;
}

[[noreturn]] void stop_without_runtime(size_t bytes) {
    Line()
        .text("operator new of ")
        .number(bytes)
        .text(" bytes failed, and there is no C++ runtime to throw")
        .send();
    os::stop();
}

}  // namespace

void* next_operator_new(const void* caller, size_t bytes) {
    void* const block = call_runtime_new(caller, "_Znwm", bytes);
    return block != nullptr ? block : (stop_without_runtime(bytes), nullptr);
}
void* next_operator_new(const void* caller, size_t bytes, std::align_val_t alignment) {
    void* const block = call_runtime_new(caller, "_ZnwmSt11align_val_t", bytes, alignment);
    return block != nullptr ? block : (stop_without_runtime(bytes), nullptr);
}
void* next_operator_new(const void* caller, size_t bytes, const std::nothrow_t& tag) {
    return call_runtime_new(caller, "_ZnwmRKSt9nothrow_t", bytes, &tag);
}
void* next_operator_new(const void* caller, size_t bytes, std::align_val_t alignment,
                        const std::nothrow_t& tag) {
    return call_runtime_new(caller, "_ZnwmSt11align_val_tRKSt9nothrow_t", bytes, alignment, &tag);
}

void* next_operator_new_array(const void* caller, size_t bytes, const std::nothrow_t& tag) {
    return call_runtime_new(caller, "_ZnamRKSt9nothrow_t", bytes, &tag);
}
void* next_operator_new_array(const void* caller, size_t bytes, std::align_val_t alignment,
                              const std::nothrow_t& tag) {
    return call_runtime_new(caller, "_ZnamSt11align_val_tRKSt9nothrow_t", bytes, alignment, &tag);
}

}  // namespace tslab
