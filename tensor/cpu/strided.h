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
    run_rows(const_cast<void*>(static_cast<const void*>(&row)),
             [](void* fn, const std::array<int64_t, N>& offsets, int64_t first, int64_t count) {
               (*static_cast<std::remove_reference_t<Row>*>(fn))(offsets, first, count);
             });
  }

 private:
  // Compiled once for each N, however many loops there are.
  void run_rows(void* row, void (*call)(void*, const std::array<int64_t, N>&, int64_t, int64_t)) const;
};

}  // namespace kg::cpu
