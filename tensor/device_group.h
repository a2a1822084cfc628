// The GPUs of several processes, one each, as a group that sums tensors without the host (NCCL).
#pragma once

#include <array>
#include <string>

#include "tensor/tensor.h"

namespace kg {

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
