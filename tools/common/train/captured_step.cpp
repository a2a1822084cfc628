#include "tools/common/train/captured_step.h"

#include <cstdio>

#include "nn/distributed.h"
#include "tensor/ops.h"

namespace kg::tools {

// Copies the inputs to where the step reads them; false when that place is new.
bool CapturedStep::place(const std::vector<Tensor>& inputs) {
  bool same = places_.size() == inputs.size();
  for (size_t i = 0; i < inputs.size() && same; ++i)
    same = places_[i].shape() == inputs[i].shape() && places_[i].dtype() == inputs[i].dtype();
  if (!same) {
    places_.clear();
    for (const Tensor& t : inputs) places_.push_back(Tensor::empty(t.shape(), t.dtype(), device_));
  }
  for (size_t i = 0; i < inputs.size(); ++i) places_[i].copy_from(inputs[i]);
  return same;
}

// The graph has memory of its own; what the steps so far have left is of no more use. Nothing of a capture that failed
// has run, on no rank: the step runs as it is.
void CapturedStep::capture(const Work& work) {
  results_.clear();
  release_cache(device_);
  std::string problem;
  try {
    graph_.record([&] { results_ = work(places_); });
  } catch (const Error& error) {
    problem = error.what();
  }
  if (!any_rank(!problem.empty())) return graph_.replay();
  graph_.reset();
  capture_ = false;
  if (!problem.empty() || leads())
    std::fprintf(stderr, "\n%s: the step runs without a CUDA graph, which is slower: %s\n", title_.c_str(),
                 problem.empty() ? "another process could not capture it" : problem.c_str());
  results_ = work(places_);
}

const std::vector<Tensor>& CapturedStep::run(const std::vector<Tensor>& inputs, const Work& work) {
  if (device_ == Device::cpu) return results_ = work(inputs);
  const bool moved = !place(inputs);
  if (capture_ && any_rank(moved)) {
    if (graph_.captured() && !quiet_)
      std::fprintf(stderr, "\n%s: the inputs changed their shape; the step runs without a CUDA graph for now\n",
                   title_.c_str());
    graph_.reset();
    runs_ = 0;
  }
  if (graph_.captured())
    graph_.replay();
  else if (capture_ && runs_ >= kEagerRuns && world().sums_on_device())
    capture(work);
  else
    results_ = work(places_);
  ++runs_;
  return results_;
}

std::vector<double> read_scalars(const std::vector<Tensor>& scalars) {
  std::vector<Tensor> flat;
  for (const Tensor& t : scalars) flat.push_back(t.reshape({1}).to(Dtype::f32));
  return flat.empty() ? std::vector<double>{} : concat(flat, 0).to_vector();
}

}  // namespace kg::tools
