// Training by several processes (ranks) that hold the same model and share each batch: what they have to say to each
// other. A sum is taken in the order of the ranks, so that a run repeats byte for byte; a group of one changes no bit.
#pragma once

#include <vector>

#include "autograd/var.h"
#include "nn/flat.h"

namespace kg {

// Every rank makes the same calls in the same order, with tensors of one shape. Tensors are contiguous, f32 or f64.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int rank() const { return 0; }
  virtual int size() const { return 1; }
  virtual int local_rank() const { return 0; }
  virtual int local_size() const { return 1; }   // ranks on this machine
  virtual void all_reduce_sum(const Tensor&) {}  // in place, ((rank 0 + rank 1) + rank 2) + ...
  // Sums of tensors on a GPU are taken there, without the host: a CUDA graph can hold them. Known after the first one.
  virtual bool sums_on_device() const { return true; }
  virtual void broadcast(const Tensor&, int = 0) {}  // what one rank holds, to all
  virtual void barrier() {}
};

// The processes that train together: this one alone, unless a WorldScope says otherwise. One per thread.
ProcessGroup& world();
class WorldScope {
 public:
  explicit WorldScope(ProcessGroup& group);
  ~WorldScope();
  WorldScope(const WorldScope&) = delete;
  WorldScope& operator=(const WorldScope&) = delete;

 private:
  ProcessGroup* before_;
};
inline bool leads() { return world().rank() == 0; }  // the rank that evaluates, writes and talks

// The items begin..end of `total` that are this rank's; the first ranks take one more where it does not divide.
struct Part {
  int64_t begin, end, total;
  double share() const { return double(end - begin) / double(total); }
};
Part part_of(int64_t total);

// Sums over the ranks, in f64; the values themselves where there is one rank.
std::vector<double> sum_over_ranks(std::vector<double> values);
// Means over the ranks, this one's values counting `weight` times.
std::vector<double> mean_over_ranks(std::vector<double> values, double weight);
bool any_rank(bool here);

// backward() of the mean loss of this rank's part, and the sum over ranks: the gradient of the mean over the batch.
void backward_over_ranks(const Var& loss, const Part& part, const FlatParameters& parameters);
// The first `limit` rows of all ranks' x (n, d), in rank order; n may differ.
Tensor first_rows_over_ranks(const Tensor& x, int64_t limit);
// An Error where this rank's values are not those of rank 0.
void check_alike(const std::vector<double>& values);

}  // namespace kg
