// Walking strided tensors of one shape together: axes that merge in memory are merged, then runs of the innermost axis
// are visited in parallel.
#pragma once

#include <algorithm>
#include <array>

#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace kg::cpu {

// N operands over one shape; strides in elements.
template <int N>
struct Walk {
  Shape shape;
  std::array<Shape, N> strides;

  explicit Walk(const Shape& s, const std::array<const Tensor*, N>& operands) {
    for (int axis : memory_order(s, *operands[0])) {
      if (s[axis] == 1) continue;
      bool merges = shape.rank() > 0;
      for (int n = 0; n < N && merges; ++n)
        merges = strides[size_t(n)].back() == operands[size_t(n)]->strides()[axis] * s[axis];
      if (merges)
        shape[shape.rank() - 1] *= s[axis];
      else
        shape.push_back(s[axis]);
      for (int n = 0; n < N; ++n) {
        const int64_t stride = operands[size_t(n)]->strides()[axis];
        if (merges)
          strides[size_t(n)][shape.rank() - 1] = stride;
        else
          strides[size_t(n)].push_back(stride);
      }
    }
    if (shape.rank() == 0) {
      shape.push_back(1);
      for (auto& st : strides) st.push_back(1);
    }
  }

  // Axes from the largest stride of the first operand to the smallest, so that a permuted but dense tensor is one run.
  static std::vector<int> memory_order(const Shape& s, const Tensor& first) {
    std::vector<int> axes;
    for (int axis = 0; axis < s.rank(); ++axis) axes.push_back(axis);
    std::stable_sort(axes.begin(), axes.end(), [&](int a, int b) { return first.strides()[a] > first.strides()[b]; });
    return axes;
  }

  int64_t inner() const { return shape.back(); }
  int64_t inner_stride(int n) const { return strides[size_t(n)].back(); }

  // row(offsets, first, count): elements first..first+count of the inner axis, operand n's row starting at offsets[n].
  template <class Row>
  void run(Row&& row) const {
    const int64_t n = inner(), rows = shape.numel() / std::max<int64_t>(n, 1);
    auto visit = [&](int64_t r, int64_t first, int64_t count) {
      std::array<int64_t, N> offset{};
      for (int axis = shape.rank() - 2; axis >= 0; --axis) {
        const int64_t i = r % shape[axis];
        r /= shape[axis];
        for (int k = 0; k < N; ++k) offset[size_t(k)] += i * strides[size_t(k)][axis];
      }
      row(offset, first, count);
    };
    if (rows == 1) {
      parallel_for(n, kGrain, [&](int64_t b, int64_t e) { visit(0, b, e - b); });
    } else {
      parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t b, int64_t e) {
        for (int64_t r = b; r < e; ++r) visit(r, 0, n);
      });
    }
  }
};

}  // namespace kg::cpu
