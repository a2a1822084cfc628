// Where a program computes: the choice of a device, waiting for it, the precision of products, captured steps.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace kg {

// Why CUDA cannot be used here (no backend in this build, no device, a missing library); empty when it can.
std::string cuda_problem();
// "cpu", "cuda" or "auto" (CUDA when there is a device). An Error that says why for a "cuda" that cannot be used.
Device device_from(const std::string& name);
std::string describe(Device device);  // "CPU, 2 threads" or the GPU's name and memory
const char* name_of(Device device);
// Waits for all work that was started on the device.
void synchronize(Device device);

// f32 products on CUDA take TF32 inputs (10 bits of mantissa). Off by default.
void set_tf32(bool on);

// A step that is launched as one object (a CUDA graph). capture() runs the host code of `step` once, recording its
// kernels instead of running them, then replays; replay() runs them again on the same memory. A capture that fails
// leaves no graph and no trace in default_generator(). `step` must have run
// before, so that nothing is left to allocate from the system, and may not wait for the device or copy from or to the
// host; it reads its inputs from tensors that stay where they are, and what changes from step to step must lie in them.
// Random numbers move on with default_generator(), exactly as if the step had run anew.
class Graph {
 public:
  Graph() = default;
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void capture(const std::function<void()>& step);
  void record(const std::function<void()>& step);  // capture() without the replay: nothing has run
  void replay();
  bool captured() const { return graph_ != nullptr; }
  void reset();

 private:
  void* graph_ = nullptr;
  std::shared_ptr<MemoryPool> pool_;                          // what the step allocates belongs to it alone
  [[maybe_unused]] uint64_t first_stream_ = 0, streams_ = 0;  // of random numbers; only with CUDA
};

}  // namespace kg
