// parallel_for(n, grain, fn): fn(begin, end) over blocks of [0, n), on all threads. The blocks depend on n and grain
// only, never on the number of threads, and each is run by one thread: results are the same for any thread count.
#pragma once

#include <omp.h>

#include <cstdint>
#include <exception>

namespace kg {

void set_threads(int count);  // 0: all cores
int threads();

// Work below this many elements is not worth waking threads for.
inline constexpr int64_t kGrain = 16384;

template <class Fn>
void parallel_for(int64_t n, int64_t grain, Fn&& fn) {
  if (grain < 1) grain = 1;
  const int64_t blocks = (n + grain - 1) / grain;
  if (blocks <= 1 || omp_in_parallel() || threads() == 1) {
    for (int64_t b = 0; b < blocks; ++b) fn(b * grain, b * grain + grain < n ? b * grain + grain : n);
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t b = 0; b < blocks; ++b) {
    try {
      fn(b * grain, b * grain + grain < n ? b * grain + grain : n);
    } catch (...) {
#pragma omp critical
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace kg
