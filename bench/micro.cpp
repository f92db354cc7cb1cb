// The core's own steps, without the preload layer around them: Google Benchmark's options and output.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "core/allocator.h"

namespace {

void put(void* slot) {
    tslab::Held held;
    if (!tslab::free_owned(slot, held) && !tslab::free_in_slab(held)) tslab::free_owned_slow(slot);
}

void* take(std::size_t bytes) {
    void* slot = tslab::allocate(bytes);
    return slot != nullptr ? slot : tslab::allocate_slow(bytes);
}

// malloc and free on the fast path alone.
void take_and_return(benchmark::State& state) {
    const auto bytes = static_cast<std::size_t>(state.range(0));
    for (auto _ : state) {
        void* slot = take(bytes);
        benchmark::DoNotOptimize(slot);
        put(slot);
    }
}
BENCHMARK(take_and_return)->Arg(64)->Arg(256)->Arg(768);

// A batch that leaves the heap's stack and comes back: refills from slabs, and stacks that overflow.
void take_many_and_return(benchmark::State& state) {
    const auto count = static_cast<std::size_t>(state.range(0));
    std::vector<void*> slots(count);
    for (auto _ : state) {
        for (void*& slot : slots) slot = take(256);
        for (void* slot : slots) put(slot);
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(take_many_and_return)->Arg(16)->Arg(256)->Arg(4096);

// The frees of slots that another thread's heap owns.
void return_remote(benchmark::State& state) {
    constexpr std::size_t count = 4096;
    std::vector<void*> slots(count);
    for (auto _ : state) {
        std::thread([&] {
            for (void*& slot : slots) slot = take(256);
        }).join();
        const auto start = std::chrono::steady_clock::now();
        for (void* slot : slots) put(slot);
        const auto end = std::chrono::steady_clock::now();
        state.SetIterationTime(std::chrono::duration<double>(end - start).count());
    }
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(count));
}
BENCHMARK(return_remote)->UseManualTime();

// From a pointer to its slab and slot.
void locate(benchmark::State& state) {
    void* slot = take(static_cast<std::size_t>(state.range(0)));
    for (auto _ : state) {
        benchmark::DoNotOptimize(slot);
        tslab::Place place = tslab::region.locate(slot);
        benchmark::DoNotOptimize(place);
    }
    put(slot);
}
BENCHMARK(locate)->Arg(64)->Arg(768);

// The question every free of every pointer asks first.
void owns(benchmark::State& state) {
    void* other = std::malloc(16);
    for (auto _ : state) {
        benchmark::DoNotOptimize(other);
        bool answer = tslab::owns(other);
        benchmark::DoNotOptimize(answer);
    }
    std::free(other);
}
BENCHMARK(owns);

}  // namespace

int main(int argc, char** argv) {
    tslab::start({.next_name = "none", .next_is_mixed = false, .obstacle = nullptr}, true);
    if (tslab::phase() != tslab::Phase::active) return 1;
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
