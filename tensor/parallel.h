// parallel_for(n, grain, fn): fn(begin, end) over blocks of [0, n), on all threads. The blocks depend on n and grain
// only, never on the number of threads, and each is run by one thread: results are the same for any thread count.
#pragma once

#include <cstdint>
#include <type_traits>

namespace kg {

void set_threads(int count);  // 0: all cores
int threads();

// Work below this many elements is not worth waking threads for.
inline constexpr int64_t kGrain = 16384;

// The loop itself, compiled once; `call` runs one block.
void run_blocks(int64_t n, int64_t grain, void* fn, void (*call)(void* fn, int64_t begin, int64_t end));

template <class Fn>
void parallel_for(int64_t n, int64_t grain, Fn&& fn) {
  run_blocks(n, grain, const_cast<void*>(static_cast<const void*>(&fn)),
             [](void* f, int64_t begin, int64_t end) { (*static_cast<std::remove_reference_t<Fn>*>(f))(begin, end); });
}

}  // namespace kg
