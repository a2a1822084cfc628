// The device work of a training step. On the CPU it simply runs. On CUDA it runs as it is the first times, then is
// captured as a CUDA graph and replayed: one launch instead of some thousands. Where the shapes of the inputs change
// from step to step, each has a graph of its own. With several processes, whose sums are part of the graph, all of them
// capture and replay the same steps, as NCCL asks; where sums go by way of the host there is no graph.
//
// What graphs cost: they take turns in one pool of memory, which holds one step of the largest shapes, up to twice
// that where shapes change. Steps that still run as they are have the device's own memory beside it, another step's
// worth at most, which a capture gives back. The driver's part of a graph grows with its kernels and is not in it;
// it is why the number of graphs is bounded.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "tensor/device.h"
#include "tensor/tensor.h"

namespace kg::tools {

class CapturedStep {
 public:
  // From tensors on the device to the results to be read, on the device as well. It must not wait for the device.
  using Work = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;
  static constexpr int kEagerRuns = 2;    // of each shape, before its graph: what is chosen or made at first is there
  static constexpr int64_t kGraphs = 64;  // more than batches of like length have shapes (models/motiongpt/batches.h)

  // Without `capture` it always runs as it is: for work in which the host has a part. Of more than `most` shapes the
  // one that has not come for longest is forgotten, its graph included.
  CapturedStep(Device device, bool capture, std::string title, int64_t most = kGraphs)
      : device_(device), capture_(capture), title_(std::move(title)), most_(most) {}

  // The inputs may be on the host. The results are there until the next run. A capture that fails is said in a line:
  // from then on there are no further graphs.
  const std::vector<Tensor>& run(const std::vector<Tensor>& inputs, const Work& work);

  int64_t captures() const { return captures_; }  // so far
  int64_t graphs() const;                         // there now
  int64_t memory() const;                         // of their pool, in bytes

 private:
  // What belongs to inputs of one shape.
  struct Shaped {
    std::vector<Tensor> places, results;  // what the graph reads and writes
    int runs = 0;                         // without a graph
    Graph graph;
  };
  Shaped& placed(const std::vector<Tensor>& inputs);
  void capture(Shaped& s, const Work& work);

  Device device_;
  bool capture_;
  std::string title_;
  int64_t most_, captures_ = 0;
  std::vector<Tensor> results_;       // on the CPU
  std::shared_ptr<MemoryPool> pool_;  // of all graphs
  std::list<Shaped> shapes_;          // the last used one first
};

// The numbers of one-element tensors, read with a single wait.
std::vector<double> read_scalars(const std::vector<Tensor>& scalars);

}  // namespace kg::tools
