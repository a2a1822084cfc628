// Operands as kernels take them: of one shape, with axes that merge in memory merged (tensor/cpu/strided.h), and how
// rows of n elements are read.
#pragma once

#include "tensor/cpu/strided.h"
#include "tensor/cuda/kernel.h"

namespace kg::cuda {

template <int K>
struct Operands {
  int rank = 0;
  bool small = true;  // element numbers fit 32 bits, which divide several times faster
  int64_t shape[kMaxRank], stride[K][kMaxRank];

  explicit Operands(const cpu::Walk<K>& walk) : rank(walk.shape.rank()), small(walk.shape.numel() < int64_t(1) << 31) {
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
  KG_HD void place(int64_t i, int64_t (&at)[K]) const { small ? place_by(uint32_t(i), at) : place_by(uint64_t(i), at); }

 private:
  template <class Index>
  KG_HD void place_by(Index i, int64_t (&at)[K]) const {
    for (int k = 0; k < K; ++k) at[k] = 0;
    for (int axis = rank - 1; axis >= 0; --axis) {
      const Index rest = axis > 0 ? i / Index(shape[axis]) : 0;
      const int64_t j = int64_t(i - rest * Index(shape[axis]));
      for (int k = 0; k < K; ++k) at[k] += j * stride[k][axis];
      i = rest;
    }
  }
};

// A tensor's first element stands at a multiple of 16 bytes, as the widest loads want it.
inline bool starts_aligned(const Tensor& t) { return reinterpret_cast<uintptr_t>(t.raw()) % 16 == 0; }

// Dense operands that can be read 16 bytes at a time.
template <int K>
bool packs(const Operands<K>& o, const std::array<const Tensor*, K>& tensors) {
  bool all = o.dense();
  for (const Tensor* t : tensors) all = all && starts_aligned(*t);
  return all;
}

// fn(N) for rows of n elements of T: 16 bytes of them when all rows begin at a multiple of that, else 1.
template <class T, class Fn>
void for_width(int64_t n, std::initializer_list<const Tensor*> tensors, Fn&& fn) {
  constexpr int kWide = 16 / int(sizeof(T));
  bool packed = n % kWide == 0;
  for (const Tensor* t : tensors) packed = packed && (!t->defined() || starts_aligned(*t));
  packed ? fn(std::integral_constant<int, kWide>{}) : fn(std::integral_constant<int, 1>{});
}
inline constexpr int kHeldPacks = 8;  // registers of a lane hold this many packs of a row
// fn(K): the packs a lane holds of a row of n elements, 0 when they are too many.
template <class Fn>
void for_held(int64_t packs, Fn&& fn) {
  const int64_t each = ceil_div(packs, kWarp);
  if (each <= 1)
    fn(std::integral_constant<int, 1>{});
  else if (each <= 2)
    fn(std::integral_constant<int, 2>{});
  else if (each <= 4)
    fn(std::integral_constant<int, 4>{});
  else if (each <= kHeldPacks)
    fn(std::integral_constant<int, kHeldPacks>{});
  else
    fn(std::integral_constant<int, 0>{});
}

}  // namespace kg::cuda
