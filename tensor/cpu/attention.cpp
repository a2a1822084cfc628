#include "tensor/cpu/attention.h"

#include <algorithm>
#include <limits>

#include "tensor/cpu/dropout.h"
#include "tensor/cpu/matmul.h"
#include "tensor/cpu/scratch.h"
#include "tensor/cpu/tiling.h"
#include "tensor/cpu/vec.h"
#include "tensor/vec_math.h"

namespace kg::cpu {
namespace {

struct Sizes {
  int64_t batch, heads, queries, keys, width;
  double scale;
  bool causal;

  Sizes(const Tensor& q, const Tensor& k, const AttentionOptions& o)
      : batch(q.size(0)),
        heads(q.size(2)),
        queries(q.size(1)),
        keys(k.size(1)),
        width(q.size(3)),
        scale(o.scale),
        causal(o.causal) {}

  // Query i sees keys [0, visible(i)).
  int64_t visible(int64_t i) const { return causal ? std::clamp<int64_t>(i + 1 + keys - queries, 0, keys) : keys; }
  // Queries that are worked on together; small under a causal mask, to leave out what it hides.
  int64_t block() const { return causal ? 64 : 256; }
};

// One head of one batch entry: (T, D) of a (B, T, H, D) tensor.
template <class T>
Matrix<T> head(const Tensor& t, int64_t b, int64_t h) {
  return {
      const_cast<std::remove_const_t<T>*>(t.data<std::remove_const_t<T>>()) + b * t.strides()[0] + h * t.strides()[2],
      t.strides()[1], 1};
}

constexpr int64_t kShortRow = 128;

// Elements of a row in scratch: whole registers.
template <class T>
int64_t padded_width(int64_t n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// task(b, h) for all heads, on all threads.
template <class Task>
void for_heads(const Sizes& s, Task&& task) {
  const int64_t work = std::max<int64_t>(1, 2 * s.queries * s.keys * s.width);
  parallel_for(s.batch * s.heads, std::max<int64_t>(1, kInlineWork / work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) task(i / s.heads, i % s.heads);
  });
}

// Scores to weights in place: softmax of scale * s + bias over the n keys that the mask leaves, 0 if it leaves none.
// The row has room for `padded` elements, whole registers if it can be; zeros follow up to `end`.
template <class T>
void softmax_row(T* s, int64_t n, int64_t padded, int64_t end, T scale, const T* bias, const uint8_t* mask) {
  constexpr T kHidden = -std::numeric_limits<T>::infinity();
  if (bias) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) s[j] = s[j] * scale + bias[j];
    scale = 1;
  }
  if (mask) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) s[j] = mask[j] ? s[j] : kHidden;
  }
  std::fill(s + n, s + padded, kHidden);
  T top = kHidden;
#pragma omp simd reduction(max : top)
  for (int64_t j = 0; j < padded; ++j) top = s[j] > top ? s[j] : top;
  T sum = 0;
  if (top == kHidden) {
    for (int64_t j = 0; j < padded; ++j) s[j] = s[j] == kHidden ? T(0) : s[j];  // a NaN stays to be seen
  } else {
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < padded; ++j) {
      s[j] = vm::exp((s[j] - top) * scale);
      sum += s[j];
    }
    const T factor = T(1) / sum;
#pragma omp simd
    for (int64_t j = 0; j < padded; ++j) s[j] *= factor;
  }
  if (padded < end) std::fill(s + padded, s + end, T(0));
}

// The pieces of the options that belong to one head.
template <class T>
struct HeadOptions {
  const T* bias = nullptr;  // (Tq, Tk)
  int64_t bias_stride = 0;
  const uint8_t* mask = nullptr;  // (Tk)

  HeadOptions(const AttentionOptions& o, int64_t b, int64_t h) {
    if (o.bias.defined()) {
      const Shape& stride = o.bias.strides();
      bias = o.bias.data<T>() + (o.bias.size(0) > 1 ? b * stride[0] : 0) + (o.bias.size(1) > 1 ? h * stride[1] : 0);
      bias_stride = stride[2];
    }
    if (o.key_mask.defined()) mask = o.key_mask.data<uint8_t>() + b * o.key_mask.strides()[0];
  }
};

// Dropout of a block of rows of the (B, H, Tq, Tk) weights, `first` its first element; from and to have row stride Tk.
template <class T>
void drop_rows(T* to, const T* from, int64_t rows, int64_t n, int64_t keys, int64_t first, const AttentionOptions& o) {
  if (n == keys) return dropout_run(to, from, rows * keys, first, o.dropout, o.random);
  for (int64_t r = 0; r < rows; ++r)
    dropout_run(to + r * keys, from + r * keys, n, first + r * keys, o.dropout, o.random);
}

// One query: plain dot products, nothing packed.
template <class T>
void scores_of_one(const Sizes& s, const T* q, Matrix<const T> k, int64_t n, T* scores) {
  for (int64_t j = 0; j < n; ++j) {
    const T* key = k.data + j * k.row;
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t d = 0; d < s.width; ++d) sum += q[d] * key[d];
    scores[j] = sum;
  }
}
template <class T>
void mix_for_one(const Sizes& s, const T* w, Matrix<const T> v, int64_t n, T* y) {
  std::fill_n(y, s.width, T(0));
  for (int64_t j = 0; j < n; ++j) {
    const T* value = v.data + j * v.row;
#pragma omp simd
    for (int64_t d = 0; d < s.width; ++d) y[d] += w[j] * value[d];
  }
}

template <class T>
void forward_head(const Sizes& s, const AttentionOptions& o, int64_t b, int64_t h, Matrix<const T> q, Matrix<const T> k,
                  Matrix<const T> v, Matrix<T> y, T* weights) {
  const HeadOptions<T> head(o, b, h);
  // Short rows are worked on where they have room for whole registers: loops over them do not end in single elements.
  const bool apart = s.keys < kShortRow && s.keys % kLanes<T>;
  const int64_t width = apart ? padded_width<T>(s.keys) : s.keys;
  for (int64_t i = 0; i < s.queries; i += s.block()) {
    const int64_t rows = std::min(s.block(), s.queries - i), n = s.visible(i + rows - 1);
    T *w = weights + i * s.keys, *scores = apart ? scratch<T>(Scratch::scores, rows * width) : w;
    if (s.queries == 1)
      scores_of_one(s, q.data, k, n, scores);
    else
      gemm_tile<T>(rows, n, s.width, q.at(i, 0), k.transposed(), T(0), scores, width);
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t seen = s.visible(i + r), padded = apart ? padded_width<T>(seen) : seen;
      T *row = scores + r * width, *to = w + r * s.keys;
      softmax_row<T>(row, seen, padded, apart ? n : s.keys, T(s.scale),
                     head.bias ? head.bias + (i + r) * head.bias_stride : nullptr, head.mask);
      if (apart) std::fill(std::copy_n(row, seen, to), to + s.keys, T(0));
    }
    Matrix<const T> mix{scores, width, 1};
    if (o.dropout > 0) {
      T* dropped = scratch<T>(Scratch::weights, rows * s.keys);
      drop_rows(dropped, w, rows, n, s.keys, ((b * s.heads + h) * s.queries + i) * s.keys, o);
      mix = {dropped, s.keys, 1};
    }
    if (s.queries == 1)
      mix_for_one(s, mix.data, v, n, y.data);
    else
      gemm_tile<T>(rows, s.width, n, mix, v, T(0), y.data + i * y.row, y.row);
  }
}

template <class T>
struct HeadGradients {
  Matrix<T> q, k, v;
  T* scores;  // (Tq, Tk) or null
};

// gS in place of gP, over n keys (letters as in tensor/ops.h). With dropout gP comes as the gradient of the dropped
// weights P'; where P' is 0 the weight was dropped, or P is 0 too and gP does not matter.
template <class T>
void scores_gradient(const T* p, const T* dropped, T* g, int64_t n, T keep_scale) {
  if (dropped != p) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) g[j] = dropped[j] != T(0) ? g[j] * keep_scale : T(0);
  }
  T dot = 0;
#pragma omp simd reduction(+ : dot)
  for (int64_t j = 0; j < n; ++j) dot += p[j] * g[j];
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) g[j] = p[j] * (g[j] - dot);
}

// The gradients of tensor/ops.h, from the last block of queries, which sees all keys, to the first, which may see few.
template <class T>
void backward_head(const Sizes& s, const AttentionOptions& o, int64_t b, int64_t h, Matrix<const T> gy,
                   Matrix<const T> q, Matrix<const T> k, Matrix<const T> v, const T* weights, HeadGradients<T> g) {
  const int64_t block = s.block();
  T beta = 0;
  for (int64_t i = (s.queries - 1) / block * block; i >= 0; i -= block, beta = 1) {
    const int64_t rows = std::min(block, s.queries - i), n = s.visible(i + rows - 1);
    const T *w = weights + i * s.keys, *mix = w;
    if (o.dropout > 0) {
      T* dropped = scratch<T>(Scratch::weights, rows * s.keys);
      drop_rows(dropped, w, rows, n, s.keys, ((b * s.heads + h) * s.queries + i) * s.keys, o);
      mix = dropped;
    }
    T* gs = scratch<T>(Scratch::scores, rows * s.keys);
    gemm_tile<T>(rows, n, s.width, gy.at(i, 0), v.transposed(), T(0), gs, s.keys);
    gemm_tile<T>(n, s.width, rows, {mix, 1, s.keys}, gy.at(i, 0), beta, g.v.data, g.v.row);
    for (int64_t r = 0; r < rows; ++r) {
      T* row = gs + r * s.keys;
      scores_gradient(w + r * s.keys, mix + r * s.keys, row, n, T(1 / (1 - o.dropout)));
      if (g.scores) {
        T* to = g.scores + (i + r) * s.keys;
        std::fill(std::copy_n(row, n, to), to + s.keys, T(0));
      }
      const T scale = T(s.scale);
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) row[j] *= scale;
    }
    gemm_tile<T>(rows, s.width, n, {gs, s.keys, 1}, k, T(0), g.q.data + i * g.q.row, g.q.row);
    gemm_tile<T>(n, s.width, rows, {gs, 1, s.keys}, q.at(i, 0), beta, g.k.data, g.k.row);
  }
}

}  // namespace

void attention_forward(const Tensor& y, const Tensor& weights, const Tensor& q, const Tensor& k, const Tensor& v,
                       const AttentionOptions& options) {
  for_float(q.dtype(), "attention", [&](auto zero) {
    using T = decltype(zero);
    const Sizes s(q, k, options);
    T* w = weights.data<T>();
    for_heads(s, [&](int64_t b, int64_t h) {
      forward_head<T>(s, options, b, h, head<const T>(q, b, h), head<const T>(k, b, h), head<const T>(v, b, h),
                      head<T>(y, b, h), w + (b * s.heads + h) * s.queries * s.keys);
    });
  });
}

void attention_rows_forward(const Tensor& y, const Tensor& q, const Tensor& keys, const Tensor& values,
                            const AttentionOptions& options, const Tensor& position) {
  const int64_t most = keys.size(1), n = position.defined() ? position.data<int32_t>()[0] + 1 : most;
  CHECK(n >= 0 && n <= most, "[attention_rows] position ", n - 1, " is outside 0..", most - 1);
  const Shape heads{keys.size(0), 1, keys.size(2), keys.size(3)};
  AttentionOptions o = options;
  if (o.bias.defined()) o.bias = o.bias.slice(3, most - n, most);
  if (o.key_mask.defined()) o.key_mask = o.key_mask.slice(1, 0, n);
  attention_forward(y.reshape(heads), Tensor::empty({heads[0], heads[2], 1, n}, y.dtype()), q.reshape(heads),
                    keys.slice(1, 0, n), values.slice(1, 0, n), o);
}

void attention_backward(const Tensor& gq, const Tensor& gk, const Tensor& gv, const Tensor& gscores, const Tensor& gy,
                        const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& weights,
                        const AttentionOptions& options) {
  for_float(q.dtype(), "attention_backward", [&](auto zero) {
    using T = decltype(zero);
    const Sizes s(q, k, options);
    const T* w = weights.data<T>();
    T* gs = gscores.defined() ? gscores.data<T>() : nullptr;
    for_heads(s, [&](int64_t b, int64_t h) {
      const int64_t first = (b * s.heads + h) * s.queries * s.keys;
      backward_head<T>(s, options, b, h, head<const T>(gy, b, h), head<const T>(q, b, h), head<const T>(k, b, h),
                       head<const T>(v, b, h), w + first,
                       {head<T>(gq, b, h), head<T>(gk, b, h), head<T>(gv, b, h), gs ? gs + first : nullptr});
    });
  });
}

}  // namespace kg::cpu
