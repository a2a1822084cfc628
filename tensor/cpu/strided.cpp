#include "tensor/cpu/strided.h"

namespace kg::cpu {

template <int N>
void Walk<N>::run_rows(void* row, void (*call)(void*, const std::array<int64_t, N>&, int64_t, int64_t)) const {
  const int64_t n = inner(), rows = shape.numel() / std::max<int64_t>(n, 1);
  auto visit = [&](int64_t r, int64_t first, int64_t count) {
    std::array<int64_t, N> offset{};
    for (int axis = shape.rank() - 2; axis >= 0; --axis) {
      const int64_t i = r % shape[axis];
      r /= shape[axis];
      for (int k = 0; k < N; ++k) offset[size_t(k)] += i * strides[size_t(k)][axis];
    }
    call(row, offset, first, count);
  };
  if (rows == 1) {
    parallel_for(n, kGrain, [&](int64_t b, int64_t e) { visit(0, b, e - b); });
  } else {
    parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r) visit(r, 0, n);
    });
  }
}

template struct Walk<1>;
template struct Walk<2>;
template struct Walk<3>;
template struct Walk<4>;

}  // namespace kg::cpu
