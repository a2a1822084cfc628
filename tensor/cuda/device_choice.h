// Which of the visible GPUs this process computes on. The choice is made once, before anything has used CUDA.
#pragma once

#include <mutex>

#include "tensor/error.h"

namespace kg::cuda {

class DeviceChoice {
 public:
  // The GPU with this number, counted round where there are fewer. Without a call it is the first.
  void choose(int number) {
    const std::lock_guard lock(mutex_);
    CHECK(number >= 0, "[cuda] GPU ", number, " cannot be chosen; the first is 0");
    CHECK(device_ < 0, "[cuda] GPU ", device_, " is in use already; choose one before the first use of CUDA");
    number_ = number;
  }
  // Fixes the choice; `count` GPUs are visible.
  int of(int count) {
    const std::lock_guard lock(mutex_);
    if (device_ < 0) device_ = count > 0 ? number_ % count : 0;
    return device_;
  }

 private:
  std::mutex mutex_;
  int number_ = 0, device_ = -1;
};

}  // namespace kg::cuda
