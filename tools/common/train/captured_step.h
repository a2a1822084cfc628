// The device work of a training step. On the CPU it simply runs. On CUDA it runs as it is the first times, then is
// captured as a CUDA graph and replayed: one launch instead of some thousands. With several processes, whose sums are
// part of the graph, all of them capture and replay the same steps, as NCCL asks; where sums go by way of the host
// there is no graph.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/tensor.h"

namespace kg::tools {

class CapturedStep {
 public:
  // From tensors on the device to the results to be read, on the device as well. It must not wait for the device.
  using Work = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

  // Without `capture` it always runs as it is: for work in which the host has a part.
  CapturedStep(Device device, bool capture, std::string title, bool quiet)
      : device_(device), capture_(capture), title_(std::move(title)), quiet_(quiet) {}

  // The inputs may be on the host. Inputs of other shapes than before are said in a line, and run without a graph until
  // they have settled again. A capture that fails is said in a line, too: from then on there is no graph.
  const std::vector<Tensor>& run(const std::vector<Tensor>& inputs, const Work& work);

 private:
  bool place(const std::vector<Tensor>& inputs);
  void capture(const Work& work);

  static constexpr int kEagerRuns = 2;  // what they allocate is there when the graph is captured
  Device device_;
  bool capture_;
  std::string title_;
  bool quiet_;
  int runs_ = 0;
  std::vector<Tensor> places_, results_;  // what the graph reads and writes
  Graph graph_;
};

// The numbers of one-element tensors, read with a single wait.
std::vector<double> read_scalars(const std::vector<Tensor>& scalars);

}  // namespace kg::tools
