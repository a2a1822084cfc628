#include "tools/common/train/captured_step.h"

#include <algorithm>
#include <cstdio>

#include "nn/distributed.h"
#include "tensor/memory_pool.h"
#include "tensor/ops.h"

namespace kg::tools {

// Copies the inputs to where the step of their shapes reads them.
CapturedStep::Shaped& CapturedStep::placed(const std::vector<Tensor>& inputs) {
  const auto found = std::find_if(shapes_.begin(), shapes_.end(), [&](const Shaped& s) {
    return std::equal(
        inputs.begin(), inputs.end(), s.places.begin(), s.places.end(),
        [](const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && a.dtype() == b.dtype(); });
  });
  if (found != shapes_.end()) {
    shapes_.splice(shapes_.begin(), shapes_, found);
  } else {
    if (int64_t(shapes_.size()) >= most_) shapes_.pop_back();
    shapes_.emplace_front();
    for (const Tensor& t : inputs) shapes_.front().places.push_back(Tensor::empty(t.shape(), t.dtype(), device_));
  }
  Shaped& s = shapes_.front();
  for (size_t i = 0; i < inputs.size(); ++i) s.places[i].copy_from(inputs[i]);
  return s;
}

// The graph has memory of its own; what the steps so far have left is of no more use to it. Nothing of a capture that
// failed has run, on no rank: the step runs as it is.
void CapturedStep::capture(Shaped& s, const Work& work) {
  s.results.clear();
  release_cache(device_);
  if (!pool_) pool_ = make_graph_pool(device_, shapes_.size() > 1);
  std::string problem;
  try {
    s.graph.record([&] {
      const MemoryPoolScope scope(pool_);
      s.results = work(s.places);
    });
  } catch (const Error& error) {
    problem = error.what();
  }
  if (!any_rank(!problem.empty())) {
    ++captures_;
    return s.graph.replay();
  }
  s.graph.reset();
  capture_ = false;
  if (captures_ == 0) pool_.reset();
  if (!problem.empty() || leads())
    std::fprintf(stderr, "\n%s: the step runs without a %sCUDA graph, which is slower: %s\n", title_.c_str(),
                 captures_ > 0 ? "further " : "",
                 problem.empty() ? "another process could not capture it" : problem.c_str());
  s.results = work(s.places);
}

// Shapes may differ between ranks, and so what they have graphs of: all do what the one that is behind can do.
const std::vector<Tensor>& CapturedStep::run(const std::vector<Tensor>& inputs, const Work& work) {
  if (device_ == Device::cpu) return results_ = work(inputs);
  Shaped& s = placed(inputs);
  if ((capture_ || captures_ > 0) && world().sums_on_device()) {
    if (!any_rank(!s.graph.captured())) {
      s.graph.replay();
      return s.results;
    }
    if (capture_ && !any_rank(s.runs < kEagerRuns)) {
      capture(s, work);
      return s.results;
    }
  }
  s.graph.reset();  // where another rank has none: they are captured anew, together
  ++s.runs;
  return s.results = work(s.places);
}

int64_t CapturedStep::graphs() const {
  return std::count_if(shapes_.begin(), shapes_.end(), [](const Shaped& s) { return s.graph.captured(); });
}
int64_t CapturedStep::memory() const {
  if (!pool_) return 0;
  const AllocatorStats stats = allocator_stats(*pool_);
  return stats.in_use + stats.cached;
}

std::vector<double> read_scalars(const std::vector<Tensor>& scalars) {
  std::vector<Tensor> flat;
  for (const Tensor& t : scalars) flat.push_back(t.reshape({1}).to(Dtype::f32));
  return flat.empty() ? std::vector<double>{} : concat(flat, 0).to_vector();
}

}  // namespace kg::tools
