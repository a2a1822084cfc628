#include "nn/distributed.h"

#include <algorithm>

namespace kg {
namespace {
thread_local ProcessGroup* current = nullptr;
}

ProcessGroup& world() {
  static ProcessGroup alone;
  return current ? *current : alone;
}
WorldScope::WorldScope(ProcessGroup& group) : before_(current) { current = &group; }
WorldScope::~WorldScope() { current = before_; }

Part part_of(int64_t total) {
  const int64_t rank = world().rank(), size = world().size();
  CHECK(total >= size, "[parallel] ", total, " items cannot be shared by ", size, " processes");
  const int64_t each = total / size, more = total % size;
  const int64_t begin = rank * each + std::min(rank, more);
  return {begin, begin + each + (rank < more), total};
}

std::vector<double> sum_over_ranks(std::vector<double> values) {
  if (world().size() == 1) return values;
  const Tensor sums = Tensor::from(values, {int64_t(values.size())});
  world().all_reduce_sum(sums);
  return sums.to_vector();
}
std::vector<double> mean_over_ranks(std::vector<double> values, double weight) {
  if (world().size() == 1) return values;
  for (double& v : values) v *= weight;
  values.push_back(weight);
  values = sum_over_ranks(std::move(values));
  const double all = values.back();
  values.pop_back();
  for (double& v : values) v /= all;
  return values;
}
bool any_rank(bool here) { return sum_over_ranks({double(here)})[0] > 0; }

// One sum after backward, not pieces of it meanwhile: on CPUs it would take the cores and the memory's bandwidth from
// backward. It is small beside it: 20 M floats over two ranks of a busy machine of two cores take 0.09 s; a step of the
// VQ-VAE of that size (preset paper) takes 0.3 s with an eighth of its batch.
void backward_over_ranks(const Var& loss, const Part& part, const FlatParameters& parameters) {
  backward(loss, Tensor::full(loss.shape(), part.share(), loss.dtype(), loss.value.device()));
  world().all_reduce_sum(parameters.gradients());
}

Tensor first_rows_over_ranks(const Tensor& x, int64_t limit) {
  const int rank = world().rank(), size = world().size();
  const int64_t n = x.size(0);
  if (size == 1) return x.slice(0, 0, std::min(n, limit));
  std::vector<double> counts(size_t(size), 0);
  counts[size_t(rank)] = double(n);
  int64_t begin = 0, total = 0;
  counts = sum_over_ranks(std::move(counts));
  for (int r = 0; r < size; total += int64_t(counts[size_t(r++)]))
    if (r == rank) begin = total;
  total = std::min(total, limit);
  const Tensor rows = Tensor::zeros({total, x.size(1)}, x.dtype(), x.device());
  const int64_t end = std::min(begin + n, total);
  if (begin < end) rows.slice(0, begin, end).copy_from(x.slice(0, 0, end - begin));
  world().all_reduce_sum(rows);  // the other ranks' rows are 0 here
  return rows;
}

void check_alike(const std::vector<double>& values) {
  if (world().size() == 1) return;
  const Tensor first = Tensor::from(values, {int64_t(values.size())});
  world().broadcast(first);
  CHECK(first.to_vector() == values, "[parallel] rank ", world().rank(),
        " begins with other weights, or at another iteration, than rank 0. All processes need the same program, "
        "options, data and run folder: are they on file systems that differ?");
}

}  // namespace kg
