// The batches of a training run, each made while the step before it runs on the device. What needs no device is done on
// a thread of its own, the rest by the caller as soon as the device has its work. Batches are functions of the step's
// number, so nothing depends on when they are made.
#pragma once

#include <functional>
#include <future>
#include <optional>
#include <vector>

#include "tensor/tensor.h"

namespace kg::tools {

struct StepBatch {
  std::vector<Tensor> inputs;
  double targets = 0;  // what it counts in a mean over processes
};

class Prefetch {
 public:
  using Rest = std::function<StepBatch()>;         // what is left for the caller's thread
  using Make = std::function<Rest(int64_t step)>;  // on one thread at a time
  // Steps from `end` on are not made. On the CPU, where a step keeps all threads busy, nothing is made ahead.
  Prefetch(Device device, int64_t end, Make make) : device_(device), end_(end), make_(std::move(make)) {}

  // The batch of a step, its inputs on the device.
  StepBatch at(int64_t step) {
    if (ready_ && ready_step_ == step) {
      StepBatch batch = std::move(*ready_);
      ready_.reset();
      return batch;
    }
    Rest rest = begun_.valid() ? begun_.get() : nullptr;
    StepBatch batch = (rest && begun_step_ == step ? rest : make_(step))();
    for (Tensor& t : batch.inputs) t = t.to(device_);
    return batch;
  }
  // Called when the work of `step` is under way: the next batch goes to the device, the one after it is begun.
  void advance(int64_t step) {
    if (device_ == Device::cpu || step + 1 >= end_) return;
    ready_ = at(ready_step_ = step + 1);
    if (step + 2 < end_) begun_ = std::async(std::launch::async, make_, begun_step_ = step + 2);
  }

 private:
  Device device_;
  int64_t end_, ready_step_ = -1, begun_step_ = -1;
  Make make_;
  std::optional<StepBatch> ready_;
  std::future<Rest> begun_;  // its thread is waited for before anything else goes
};

}  // namespace kg::tools
