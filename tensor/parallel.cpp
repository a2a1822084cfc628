#include "tensor/parallel.h"

#include <omp.h>

#include <algorithm>
#include <exception>

namespace kg {
namespace {
int thread_count = 0;
}
void set_threads(int count) {
  thread_count = count;
  omp_set_num_threads(count > 0 ? count : omp_get_num_procs());
}
int threads() { return thread_count > 0 ? thread_count : omp_get_max_threads(); }

void run_blocks(int64_t n, int64_t grain, void* fn, void (*call)(void*, int64_t, int64_t)) {
  grain = std::max<int64_t>(grain, 1);
  const int64_t blocks = (n + grain - 1) / grain;
  if (blocks <= 1 || omp_in_parallel() || threads() == 1) {
    for (int64_t b = 0; b < blocks; ++b) call(fn, b * grain, std::min(n, b * grain + grain));
    return;
  }
  std::exception_ptr error;
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t b = 0; b < blocks; ++b) {
    try {
      call(fn, b * grain, std::min(n, b * grain + grain));
    } catch (...) {
#pragma omp critical
      error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace kg
