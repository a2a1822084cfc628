#include "tensor/parallel.h"

namespace kg {
namespace {
int thread_count = 0;
}
void set_threads(int count) {
  thread_count = count;
  omp_set_num_threads(count > 0 ? count : omp_get_num_procs());
}
int threads() { return thread_count > 0 ? thread_count : omp_get_max_threads(); }
}  // namespace kg
