#include "allocator.h"

#include <pthread.h>

#include "os.h"
#include "print.h"
#include "profile.h"
#include "reclaim.h"
#include "reporter.h"
#include "unwind.h"
#include "watch.h"

namespace tslab {

constinit Served served{kMinServed, kMaxServed - kMinServed + 1};

namespace {

constinit std::atomic<Phase> phase_now{Phase::unstarted};
constinit pthread_key_t thread_key;
// This thread's heap from its start to its end: where the thread stands aside this_thread does not tell, and
// the key's value could be the program's doing.
constinit thread_local Heap* attached = nullptr;

// The destructor of thread_key. Destructors that run after it free through the remote path and allocate from
// the next allocator: a heap made that late would never be given up.
void end_thread(void*) {
    Heap* const heap = attached;
    if (heap == nullptr) return;
    domains.end(*heap);
    heap->abandon();
    this_thread = {nullptr, kNowhere, nullptr, true};
    attached = nullptr;
    step(Step::heap_left);
    heaps.release(*heap);
}

// Before a fork: a limit on address space that was lowered since the start must not make the kernel refuse
// it.
void prepare_fork() {
    region.fit_into(os::address_space_limit());
    unwinder.pause();
}

void end_fork() { unwinder.resume(); }

void begin_child() {
    unwinder.resume_in_child();
    region.begin_generation();
    heaps.begin_generation(attached);
    domains.begin_generation();
    reclaim.begin_generation();
    profile.begin_generation();
    reporter.begin_generation();
}

Heap* attach_thread() {
    if (this_thread.gone || phase() != Phase::active) return nullptr;
    Heap* const heap = heaps.acquire();
    if (heap == nullptr) return nullptr;
    step(Step::heap_taken);
    attached = heap;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    // A signal handler that forked before that has left it void in the child.
    if (heaps.is_void(heap->number())) {
        attached = nullptr;
        return attach_thread();
    }
    this_thread.heap = heap;
    heap->begin();
    // May allocate, which the lines above have made possible: not to be sampled, or the unwinder may set a
    // key of its own in the middle of it.
    const bool was_busy = watch.busy;
    watch.busy = true;
    const bool known = pthread_setspecific(thread_key, heap) == 0;
    watch.busy = was_busy;
    heap->put_in_force(heap->in_force());  // that may have hidden the bins
    if (known) return heap;
    end_thread(heap);  // nobody would tell us when the thread does
    return nullptr;
}

bool reserve_region() {
    const std::size_t limit = os::address_space_limit() / 16;
    for (std::size_t bytes = std::size_t{1} << log2_floor(options.reserve); bytes > 0; bytes /= 2) {
        if (!region.start(bytes, limit, os::page_bytes())) continue;
        epochs.start();
        return true;
    }
    return false;
}

// Key 0 is left to the program: some use a key before they have made it, and the first keys of another libc
// in the process (dlmopen) are values of ours.
bool create_thread_key() {
    pthread_key_t first;
    if (pthread_key_create(&first, nullptr) != 0) return false;
    const bool created = pthread_key_create(&thread_key, end_thread) == 0;
    pthread_key_delete(first);
    return created;
}

// Why nothing is served in this process; null where something is. Set by start, as the phase is.
constinit const char* obstacle;

const char* start_region(const char* started_name, const char* program_name, const Host& host) {
    if (host.obstacle != nullptr) return host.obstacle;
    const char* const unwanted = options.obstacle(started_name, program_name);
    if (unwanted != nullptr) return unwanted;
    if (!reserve_region()) return "no address space can be reserved";
    if (!create_thread_key()) return "no key for thread-specific data is left";
    if (pthread_atfork(prepare_fork, end_fork, begin_child) != 0) return "no memory for a fork handler";
    return nullptr;
}

bool start_profile(const void* own, const void* own_end) {
    const char* lacks = nullptr;
    if (!unwinder.start(own, own_end)) {
        lacks = "libunwind.so.8 (package libunwind8), which cannot be opened";
    } else if (!samples.start(options.profile)) {
        lacks = "memory for its tables, which the kernel refuses";
    }
    if (lacks == nullptr) return true;
    Line().text("TSLAB_PROFILE needs ").text(lacks).text(": no profile").send();
    return false;
}

void print_banner(const char* name, const Host& host) {
    Line line;
    line.text("version " TSLAB_VERSION " in ").text(name).text("[");
    line.number(static_cast<std::uint64_t>(os::process_id())).text("]: ");
    if (obstacle == nullptr) {
        line.text("active");
    } else {
        line.text("passing through (").text(obstacle).text(")");
    }
    line.text("; next ").text(host.next_name).text(host.next_is_mixed ? ", parts of it elsewhere" : "");
    if (obstacle == nullptr) line.text("; reserved ").size(region.size());
    options.show(line);
    line.send();
}

}  // namespace

Phase phase() { return phase_now.load(std::memory_order_acquire); }  // pairs with start

bool start(const Host& host, bool now) {
    char** const environment = os::environment();
    if (environment == nullptr && !now) return false;
    Phase expected = Phase::unstarted;
    if (!phase_now.compare_exchange_strong(expected, Phase::starting, std::memory_order_relaxed))
        return false;
    os::note_error_file();
    options.read(environment);
    char started_name[64];
    char program_name[64];
    os::started_name(started_name, sizeof started_name);
    os::program_name(program_name, sizeof program_name);
    obstacle = start_region(started_name, program_name, host);
    const bool active = obstacle == nullptr;
    served = {options.min_size, active ? options.max_size - options.min_size + 1 : 0};
    // pairs with phase()
    phase_now.store(active ? Phase::active : Phase::passing_through, std::memory_order_release);
    if (active) reporter.start(started_name);
    if (options.verbose) print_banner(started_name, host);
    return active;
}

namespace {

void* take_from_heap(std::size_t bytes) {
    Heap* heap = this_thread.heap;
    if (heap == nullptr) {
        heap = attach_thread();
        if (heap == nullptr) return nullptr;
        // Attaching may have allocated, and filled the stack.
        if (void* const slot = heap->bin(class_of(bytes)).take()) return slot;
    }
    return heap->take_slow(class_of(bytes));
}

void* allocate_unwatched(std::size_t bytes) {
    void* const slot = take_from_heap(bytes);
    if (slot == nullptr) stats.add_in(class_of(bytes), Figure::forwarded_exhausted);
    return slot;
}

void* allocate_any(std::size_t bytes) {
    void* const slot = allocate(bytes);
    return slot != nullptr ? slot : allocate_unwatched(bytes);
}

// The object's free is to be noticed. Its owner's, at once after it was allocated.
void mark(const void* slot) {
    Slab& slab = *region.locate(slot).slab;
    slab.marks.fetch_add(1, std::memory_order_relaxed);
    slab.home.store(slab.home.load(std::memory_order_relaxed) | kMarked, std::memory_order_relaxed);
}

// No lock is held: the slot is the program's already, but for telling it so.
TSLAB_COLD void take_sample(const void* slot, std::size_t bytes) {
    watch.busy = true;
    std::uintptr_t frames[kFrames];
    const unsigned depth = unwinder.take(frames, kFrames);
    watch.busy = false;
    if (depth == 0 || !samples.add({slot, bytes, epochs.current(), 0}, frames, depth)) {
        return stats.add(Figure::samples_dropped);
    }
    mark(slot);
    stats.add(Figure::samples_taken);
}

// A request whose bin has refused it, or has no slot, or is not known.
TSLAB_COLD void* allocate_watched(std::size_t bytes, bool is_timed) {
    Heap* const heap = thread_heap();
    if (heap == nullptr) return allocate_unwatched(bytes);
    const std::size_t c = class_of(bytes);
    const Watch::Found found = watch.look_at(heap->bin(c), c, bytes);
    heap->keep_count(c);
    const std::uint64_t before = is_timed ? read_ticks() : 0;
    void* const slot = allocate_any(bytes);
    if (is_timed && slot != nullptr) latency.add(Timed::malloc, read_ticks() - before);
    if (slot == nullptr || watch.busy) return slot;
    if (found.glance) {
        if (void (*const report)() = after_tick.load(std::memory_order_relaxed)) report();
        stats.judge_call(c);
    }
    if (found.sample) take_sample(slot, bytes);
    if (found.timing) {
        if (latency.choose(slot)) mark(slot);
        this_thread.hide();
    }
    return slot;
}

// The thread's bins have been hidden for this request. Where it turns out to be one to be looked at itself,
// what it takes apart from that is timed: where every call is to be, all are.
TSLAB_COLD void* allocate_timed(std::size_t bytes) {
    Heap& heap = *this_thread.heap;
    heap.put_in_force(heap.in_force());
    Bin& bin = heap.bin(class_of(bytes));
    const std::uint64_t before = read_ticks();
    void* slot = allocate(bytes);
    if (slot == nullptr && bin.is_due()) return allocate_watched(bytes, true);
    if (slot == nullptr) slot = allocate_unwatched(bytes);
    const std::uint64_t between = read_ticks() - before;
    if (slot != nullptr) latency.add(Timed::malloc, between);
    watch.arm(bin, class_of(bytes));
    return slot;
}

}  // namespace

void start_watching(const void* own, const void* own_end) {
    if (phase() != Phase::active) return;
    if (options.latency != 0) latency.start();
    const bool profiles = options.profile != 0 && start_profile(own, own_end);
    if (options.latency == 0 && !profiles && after_tick.load(std::memory_order_relaxed) == nullptr) return;
    watching.store(true, std::memory_order_release);  // pairs with allocate_slow: what is needed is there
    // Other bins that are in use already follow when they are empty.
    Heap* const heap = this_thread.heap;
    for (std::size_t c = 0; heap != nullptr && c < kClasses; c++) watch.arm(heap->bin(c), c);
}

void* allocate_slow(std::size_t bytes) {
    if (!watching.load(std::memory_order_acquire))
        return allocate_unwatched(bytes);  // pairs with start_watching
    return this_thread.is_hidden() ? allocate_timed(bytes) : allocate_watched(bytes, false);
}

namespace {

void free_unmarked(void* pointer) {
    Held held;
    if (!free_owned(pointer, held)) give_back(held);
}

TSLAB_COLD void free_timed(void* pointer) {
    const std::uint64_t before = read_ticks();
    free_unmarked(pointer);
    latency.add(Timed::free, read_ticks() - before);
}

// A live slot of a slab that has marks, or had. Its own are gone before the slot can be taken again, by
// anybody.
TSLAB_COLD void free_marked(void* pointer, Slab& slab) {
    if (samples.is_on() && samples.remove(pointer, epochs.current()))
        slab.marks.fetch_sub(1, std::memory_order_relaxed);
    const bool timed = latency.forget(pointer);
    if (timed) slab.marks.fetch_sub(1, std::memory_order_relaxed);
    const bool owned = this_thread.heap != nullptr &&
                       heap_of(slab.home.load(std::memory_order_relaxed)) == this_thread.heap->number();
    // Without the mark the free takes the way it would have taken. Where another object is marked, the slab
    // has one that is live, or freed and not yet collected, and so stays this thread's; elsewhere this free
    // may be the one that makes it another's.
    const bool stays_marked = owned && slab.marks.load(std::memory_order_relaxed) != 0;
    if (owned) slab.home.store(slab.unmarked_home(), std::memory_order_relaxed);
    timed ? free_timed(pointer) : free_unmarked(pointer);
    step(Step::marked_freed);
    if (stays_marked) slab.home.store(slab.unmarked_home() | kMarked, std::memory_order_relaxed);
}

}  // namespace

bool free_owned_slow(void* pointer) {
    const Place place = region.locate(pointer);
    if (!place.is_live()) {
        if (!still_owns(pointer)) return false;
        report_misuse(region.has_slot(place) ? Misuse::double_free : Misuse::invalid_free, place.size_class,
                      pointer);
        return true;
    }
    if (place.slab->marks.load(std::memory_order_relaxed) != 0 || place.slab->is_marked()) {
        free_marked(pointer, *place.slab);
    } else {
        free_unmarked(pointer);
    }
    return true;
}

bool still_owns(const void* pointer) { return !region.gave_up(pointer); }

void report_resize(const void* pointer) {
    const Place place = region.locate(pointer);
    report_misuse(region.has_slot(place) ? Misuse::freed_realloc : Misuse::invalid_realloc, place.size_class,
                  pointer);
}

std::size_t aligned_bytes(std::size_t alignment, std::size_t bytes) {
    if (!serves(bytes) || alignment > kMaxServed) return 0;
    const std::size_t whole = alignment <= 16 ? bytes : round_up(bytes, alignment);
    // Steps of 16 and 32 hit every multiple of a larger alignment, and a slab starts on one.
    return whole <= kMaxServed && class_size(class_of(whole)) % alignment == 0 ? whole : 0;
}

Heap* thread_heap() { return this_thread.heap != nullptr ? this_thread.heap : attach_thread(); }

std::size_t trim() { return phase() == Phase::active ? reclaim.purge_now() : 0; }

void glance_slow() {
    if (void (*const report)() = after_tick.load(std::memory_order_relaxed)) report();
    slow_causes = 0;  // not a call for a class
}

void count_forwarded_slow(std::size_t bytes, std::size_t alignment) {
    const bool below = bytes < served.least;
    const bool above = !below && !serves(bytes);
    if (!below && !above && (alignment == 0 || aligned_bytes(alignment, bytes) != 0)) return;
    Heap* const heap = this_thread.heap;
    if (heap == nullptr) {
        return stats.add(below   ? Figure::forwarded_below
                         : above ? Figure::forwarded_above
                                 : Figure::forwarded_aligned);
    }
    Shared<std::uint64_t>& count = above ? heap->forwarded_above : heap->forwarded_aligned;
    count.set(count.get() + 1);
    if (count.get() % kForwardedGlances == 0) glance_slow();
}

void write_profile() { profile.write_last(); }

void print_latency() {
    if (!watching.load(std::memory_order_relaxed)) return;
    char name[64];
    os::started_name(name, sizeof name);
    latency.print(name);
}

namespace {

constinit Survey last_survey{};

void print_summary() {
    char name[64];
    os::started_name(name, sizeof name);
    using columns::word_of;
    constexpr const auto& of = columns::kTotals.of;
    Line line;
    line.text(name).text("[").number(static_cast<std::uint64_t>(os::process_id())).text("]: ");
    if (phase() == Phase::passing_through) {
        line.text("passed every request through (").text(obstacle).text(")").send();
        return;
    }
    last_survey.begin();
    last_survey.finish();
    std::uint64_t row[kTotalWords];
    last_survey.total_row(row);
    line.text("served ").number(row[word_of(of, "served")]).text(" requests, forwarded ");
    line.number(row[word_of(of, "forwarded")]).text("; live ").number(row[word_of(of, "live_objects")]);
    line.text(" objects, ").number(row[word_of(of, "live_bytes")]).text(" bytes; resident ");
    line.number(row[word_of(of, "resident_bytes")]).text(" bytes in slabs, ");
    line.number(row[word_of(of, "metadata_bytes")]).text(" in metadata; misuse ");
    line.number(misuses_counted()).send();
}

}  // namespace

void end_process() {
    if (options.stats.format == ReportFormat::summary) print_summary();
    reporter.end();
}

}  // namespace tslab
