// The GPUs of several processes, one each, as a group that sums tensors without the host (NCCL).
#pragma once

#include <array>
#include <string>

#include "tensor/tensor.h"

namespace kg {

// This process computes on the GPU with this number among those that are visible, counted round where there are fewer
// (without it: on the first). Before the first use of CUDA; nothing in a build for the CPU.
void choose_cuda_device(int number);

class DeviceGroup {
 public:
  using Id = std::array<char, 128>;
  // Why there can be none (no CUDA in this build, no NCCL); empty when there can.
  static std::string problem();
  static Id make_id();  // by one rank, for all

  // By all ranks at once. An Error where two of them use one GPU.
  DeviceGroup(const Id& id, int rank, int size);
  ~DeviceGroup();
  DeviceGroup(const DeviceGroup&) = delete;
  DeviceGroup& operator=(const DeviceGroup&) = delete;

  void all_reduce_sum(const Tensor& tensor) const;  // in place; contiguous, f32 or bf16, on CUDA

 private:
  void* group_;
};

}  // namespace kg
