// y (N, O) = x (N, I) W (O, I)^T + b for the few rows of a decoding step. The weights are read once for up to kGroup
// rows, at the speed of memory. An output is one chain of multiply-adds per lane over I and a fixed sum of the lanes,
// whatever rows stand beside it: the same row gives the same bytes in any batch.
#include <algorithm>
#include <utility>

#include "tensor/cpu/copy.h"
#include "tensor/cpu/matmul.h"
#include "tensor/cpu/norm.h"
#include "tensor/cpu/pointwise.h"
#include "tensor/cpu/vec.h"
#include "tensor/parallel.h"

namespace kg::cpu {
namespace {

#ifdef __AVX512F__
constexpr int kGroup = 8;
#else
constexpr int kGroup = 4;
#endif
constexpr int kOutputs = 2;        // outputs in flight
constexpr int64_t kBlock = 16384;  // weights a task reads at least
// Fewer multiply-adds are left to one thread: two gain next to nothing on so few, and where other programs run a layer
// waits for the second thread much longer than it computes.
constexpr int64_t kAlone = 131072;

// R rows of x (stride `width`) against G rows of weights; y has row stride ldy.
template <class T, class W, int R, int G>
void dot(const T* x, const W* w, int64_t width, const T* bias, T* y, int64_t ldy) {
  constexpr int L = kLanes<T>;
  Vec<T> acc[R][G] = {};
  int64_t i = 0;
  for (; i + L <= width; i += L) {
    Vec<T> weights[G];
    for (int g = 0; g < G; ++g) {
      weights[g] = load<T>(w + g * width + i);
      __builtin_prefetch(w + (g + G) * width + i);  // the hardware stops at the end of a page, often that of a row
    }
    for (int r = 0; r < R; ++r) {
      const Vec<T> xs = load<T>(x + r * width + i);
      for (int g = 0; g < G; ++g) acc[r][g] += xs * weights[g];
    }
  }
  if (i < width) {
    const int rest = int(width - i);
    for (int g = 0; g < G; ++g) {
      const Vec<T> last = load_part<T>(w + g * width + i, rest);
      for (int r = 0; r < R; ++r) acc[r][g] += load_part<T>(x + r * width + i, rest) * last;
    }
  }
  for (int r = 0; r < R; ++r)
    for (int g = 0; g < G; ++g) y[r * ldy + g] = sum_lanes<T>(acc[r][g]) + (bias ? bias[g] : T(0));
}

// All rows, R at a time and then fewer, against the weights of outputs [begin, end).
template <class T, class W, int R>
void rows(int64_t n, const T* x, const W* w, int64_t width, const T* bias, T* y, int64_t ldy, int64_t begin,
          int64_t end) {
  int64_t row = 0;
  for (; row + R <= n; row += R) {
    int64_t o = begin;
    auto run = [&]<int G>() {
      for (; o + G <= end; o += G)
        dot<T, W, R, G>(x + row * width, w + o * width, width, bias ? bias + o : nullptr, y + row * ldy + o, ldy);
    };
    if constexpr (R <= 2) run.template operator()<4>();
    run.template operator()<kOutputs>();
    run.template operator()<1>();
  }
  if constexpr (R > 1)
    if (row < n) rows<T, W, R / 2>(n - row, x + row * width, w, width, bias, y + row * ldy, ldy, begin, end);
}

template <class T, class W>
void run(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const int64_t n = x.size(0), outputs = weight.size(0), width = weight.size(1);
  const T* b = bias.defined() ? bias.data<T>() : nullptr;
  const T* xs = x.data<T>();
  const W* w = weight.data<W>();
  T* y = out.data<T>();
  // Whole pairs of outputs in a task; their weights stay in cache while further groups of rows pass.
  const int64_t grain = std::max<int64_t>(4, kBlock / std::max<int64_t>(1, width) / 4 * 4);
  parallel_for(outputs, n * outputs * width < kAlone ? outputs : grain,
               [&](int64_t begin, int64_t end) { rows<T, W, kGroup>(n, xs, w, width, b, y, outputs, begin, end); });
}

void product(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (out.dtype() == Dtype::f64)
    run<double, double>(out, x, weight, bias);
  else if (weight.dtype() == Dtype::bf16)
    run<float, bf16>(out, x, weight, bias);
  else
    run<float, float>(out, x, weight, bias);
}
Tensor normed(const Tensor& x, const RowNorm& norm) {
  if (!norm.weight.defined() || x.numel() == 0) return x;
  const auto statistic = [&] { return Tensor::empty({x.size(0)}, x.dtype()); };
  const Tensor y = empty_like(x);
  norm_forward(y, norm.rms ? Tensor() : statistic(), statistic(), x, norm.weight, norm.bias, norm.eps);
  return y;
}
void activate(const Tensor& y, const Tensor& x, RowActivation activation) {
  if (activation == RowActivation::relu) relu_forward(y, x, 0, 0);
  if (activation == RowActivation::gelu) gelu_forward(y, x, 0, 0);
  if (activation == RowActivation::gelu_tanh) gelu_tanh_forward(y, x, 0, 0);
}

}  // namespace

void linear_rows_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         const RowsOptions& o) {
  if (out.numel() == 0) return;
  const Tensor h = normed(x, o.norm);
  const bool activates = o.activation != RowActivation::none;
  int left = int(activates) + int(o.gate.defined()) + int(o.residual.defined());  // of the steps after the product
  const auto result = [&] { return left-- == 0 ? out : empty_like(out); };
  Tensor y = result();
  product(y, h, weight, bias);
  if (activates) {
    const Tensor x = std::exchange(y, result());
    activate(y, x, o.activation);
  }
  if (o.gate.defined()) {
    const Tensor gate = empty_like(out), x = std::exchange(y, result());
    product(gate, h, o.gate, {});
    mul_forward(y, x, gate);
  }
  if (o.residual.defined()) add_forward(out, o.residual, y);
}

void project_rows_forward(const Tensor& queries, const Tensor& keys, const Tensor& values, const Tensor& x,
                          const RowNorm& norm, const RowProjection& q, const RowProjection& k, const RowProjection& v,
                          const Tensor& position) {
  const int64_t p = position.data<int32_t>()[0];
  CHECK(p >= 0 && p < keys.size(1), "[project_rows] position ", p, " is outside 0..", keys.size(1) - 1);
  if (queries.numel() == 0) return;
  const Tensor h = normed(x, norm), rows = empty_like(queries);
  for (const auto& [projection, cache] : {std::pair{&k, &keys}, {&v, &values}}) {
    product(rows, h, projection->weight, projection->bias);
    copy(cache->slice(1, p, p + 1), rows.reshape({x.size(0), 1, keys.size(2), keys.size(3)}));
  }
  product(queries, h, q.weight, q.bias);
}

}  // namespace kg::cpu
