// Memory layouts of parameters: a parameter may be a permuted view (a convolution's weight is (O, I, k) stored as
// (k, I, O)), and whatever is made beside it (gradient, moments, another dtype) has the same layout.
#pragma once

#include <algorithm>

#include "tensor/tensor.h"

namespace kg {

// Whether the elements fill one block of memory without gaps or overlap, in whatever order of axes.
inline bool is_dense(const Tensor& t) {
  std::vector<std::pair<int64_t, int64_t>> axes;  // stride, extent
  for (int i = 0; i < t.rank(); ++i)
    if (t.shape()[i] != 1) axes.emplace_back(t.strides()[i], t.shape()[i]);
  std::sort(axes.begin(), axes.end());
  int64_t step = 1;
  for (const auto& [stride, extent] : axes) {
    if (stride != step) return false;
    step *= extent;
  }
  return true;
}

// A tensor with the shape and strides of `like` over `flat` (1-D, contiguous), from its element `begin` on.
inline Tensor cut_like(const Tensor& flat, int64_t begin, const Tensor& like) {
  return Tensor::view_of(flat.storage(), flat.offset() + begin, like.shape(), like.strides(), flat.dtype());
}

}  // namespace kg
