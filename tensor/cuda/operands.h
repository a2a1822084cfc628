// Operands of one shape as kernels take them: axes that merge in memory are merged (tensor/cpu/strided.h).
#pragma once

#include "tensor/cpu/strided.h"
#include "tensor/cuda/kernel.h"

namespace kg::cuda {

template <int K>
struct Operands {
  int rank = 0;
  int64_t shape[kMaxRank], stride[K][kMaxRank];

  explicit Operands(const cpu::Walk<K>& walk) : rank(walk.shape.rank()) {
    for (int axis = 0; axis < rank; ++axis) {
      shape[axis] = walk.shape[axis];
      for (int k = 0; k < K; ++k) stride[k][axis] = walk.strides[size_t(k)][axis];
    }
  }
  Operands(const std::array<const Tensor*, K>& tensors) : Operands(cpu::Walk<K>(tensors[0]->shape(), tensors)) {}

  // All operands are one run of unit stride.
  bool dense() const {
    bool all = rank == 1;
    for (int k = 0; k < K; ++k) all = all && (stride[k][0] == 1 || shape[0] == 1);
    return all;
  }
  // Where element i of each operand stands.
  KG_HD void place(int64_t i, int64_t (&at)[K]) const {
    for (int k = 0; k < K; ++k) at[k] = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      const int64_t j = i % shape[axis];
      i /= shape[axis];
      for (int k = 0; k < K; ++k) at[k] += j * stride[k][axis];
    }
  }
};

}  // namespace kg::cuda
