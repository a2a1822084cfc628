#include "tensor/cpu/conv.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "tensor/cpu/matmul.h"
#include "tensor/cpu/scratch.h"
#include "tensor/cpu/tiling.h"

namespace kg::cpu {
namespace {

struct Sizes {
  int64_t batch, in_time, in, out_time, out, taps;
  int64_t stride, padding, dilation;

  Sizes(const Tensor& x, const Tensor& y, const Tensor& weight, const Conv1dOptions& o)
      : batch(x.size(0)),
        in_time(x.size(1)),
        in(x.size(2)),
        out_time(y.size(1)),
        out(y.size(2)),
        taps(weight.size(2)),
        stride(o.stride),
        padding(o.padding),
        dilation(o.dilation) {}
  bool plain() const { return taps == 1 && stride == 1 && padding == 0; }
};

constexpr int64_t kGatherBytes = 1 << 20;  // of gathered rows: they stay in a core's cache

template <class T>
int64_t gathered_rows(int64_t width) {
  return std::clamp<int64_t>(kGatherBytes / (width * int64_t(sizeof(T))) / 16 * 16, 16, kTileExtent);
}

// Row of `width` elements at time t of a signal with `time` steps; zeros outside it.
template <class T>
void copy_row(T* to, const T* signal, int64_t t, int64_t time, int64_t step, int64_t width) {
  if (t >= 0 && t < time)
    std::memcpy(to, signal + t * step, size_t(width) * sizeof(T));
  else
    std::fill_n(to, width, T(0));
}

// Rows [first, first + count) of the (B T', k I) matrix whose product with the (k I, O) weight is y.
template <class T>
void gather_inputs(const Sizes& s, const T* x, int64_t first, int64_t count, T* to) {
  for (int64_t row = first; row < first + count; ++row) {
    const T* signal = x + row / s.out_time * s.in_time * s.in;
    const int64_t t = row % s.out_time * s.stride - s.padding;
    for (int64_t tap = 0; tap < s.taps; ++tap, to += s.in)
      copy_row(to, signal, t + tap * s.dilation, s.in_time, s.in, s.in);
  }
}

template <class T>
void forward(const Sizes& s, const T* x, const T* w, const T* bias, T* y) {
  const int64_t rows = s.batch * s.out_time, width = s.taps * s.in;
  const Matrix<const T> weight{w, s.out, 1};
  if (s.plain()) return gemm<T>(rows, s.out, width, {x, s.in, 1}, weight, T(0), y, s.out, bias);
  for_tiles(1, rows, s.out, width, gathered_rows<T>(width),
            [&](int64_t, int64_t i, int64_t j, int64_t count, int64_t cols) {
              T* gathered = scratch<T>(Scratch::rows, count * width);
              gather_inputs(s, x, i, count, gathered);
              T* tile = y + i * s.out + j;
              if (bias)
                for (int64_t r = 0; r < count; ++r) std::copy_n(bias + j, cols, tile + r * s.out);
              gemm_tile<T>(count, cols, width, {gathered, width, 1}, weight.at(0, j), bias ? T(1) : T(0), tile, s.out);
            });
}

// The inputs t = phase + stride u that share their taps: those with phase + padding - tap dilation = stride * shift.
// Input u is the sum over these taps of gy[u + shift] W[tap]^T.
struct Phase {
  int64_t first, count;                           // phase, and inputs of it in a signal
  std::vector<std::pair<int64_t, int64_t>> taps;  // (tap, shift)

  Phase(const Sizes& s, int64_t phase) : first(phase), count((s.in_time - phase + s.stride - 1) / s.stride) {
    for (int64_t tap = 0; tap < s.taps; ++tap) {
      const int64_t distance = phase + s.padding - tap * s.dilation;
      if (distance % s.stride == 0) taps.emplace_back(tap, distance / s.stride);
    }
  }
};

// The weights of a phase's taps as one row-major matrix (taps O, I), which the product reads faster than each W[tap]^T.
template <class T>
void transpose_weights(const Sizes& s, const Phase& phase, const T* w, T* to) {
  constexpr int64_t kSquare = 16;
  const int64_t across = (s.in + kSquare - 1) / kSquare;
  parallel_for(int64_t(phase.taps.size()) * across, 8, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      const T* from = w + phase.taps[size_t(n / across)].first * s.in * s.out;
      T* part = to + n / across * s.out * s.in;
      const int64_t first = n % across * kSquare, last = std::min(first + kSquare, s.in);
      for (int64_t o = 0; o < s.out; ++o)
        for (int64_t i = first; i < last; ++i) part[o * s.in + i] = from[i * s.out + o];
    }
  });
}

// Rows [first, first + count) of the (B count, taps O) matrix whose product with these weights is gx.
template <class T>
void gather_outputs(const Sizes& s, const Phase& phase, const T* gy, int64_t first, int64_t count, T* to) {
  for (int64_t row = first; row < first + count; ++row) {
    const T* signal = gy + row / phase.count * s.out_time * s.out;
    for (auto [tap, shift] : phase.taps) {
      copy_row(to, signal, row % phase.count + shift, s.out_time, s.out, s.out);
      to += s.out;
    }
  }
}

template <class T>
void backward_input_phase(const Sizes& s, const Phase& phase, const T* gy, const T* w, T* gx) {
  const int64_t width = int64_t(phase.taps.size()) * s.out;
  const Tensor transposed = Tensor::empty({width, s.in}, dtype_of<T>);
  const Matrix<const T> weight{transposed.data<T>(), s.in, 1};
  transpose_weights(s, phase, w, transposed.data<T>());
  for_tiles(1, s.batch * phase.count, s.in, width, gathered_rows<T>(std::max<int64_t>(width, 1)),
            [&](int64_t, int64_t i, int64_t j, int64_t count, int64_t cols) {
              T* gathered = scratch<T>(Scratch::rows, count * width);
              gather_outputs(s, phase, gy, i, count, gathered);
              // With stride 1 the rows of gx follow each other; else they are spread from a tile of their own.
              const bool direct = s.stride == 1;
              T* tile = direct ? gx + i * s.in + j : scratch<T>(Scratch::gemm_tile, count * cols);
              const int64_t ld = direct ? s.in : cols;
              gemm_tile<T>(count, cols, width, {gathered, width, 1}, weight.at(0, j), T(0), tile, ld);
              for (int64_t r = 0; r < (direct ? 0 : count); ++r) {
                const int64_t b = (i + r) / phase.count, t = phase.first + (i + r) % phase.count * s.stride;
                std::copy_n(tile + r * cols, cols, gx + (b * s.in_time + t) * s.in + j);
              }
            });
}

template <class T>
void backward_input(const Sizes& s, const T* gy, const T* w, T* gx) {
  const int64_t rows = s.batch * s.out_time;
  if (s.plain())
    return gemm<T>(rows, s.in, s.out, {gy, s.out, 1}, Matrix<const T>{w, s.out, 1}.transposed(), T(0), gx, s.in);
  for (int64_t phase = 0; phase < std::min(s.stride, s.in_time); ++phase)
    backward_input_phase(s, Phase(s, phase), gy, w, gx);
}

// gW[tap] (I, O) = sum over rows of x[row's input at tap]^T gy[row], in chunks of rows one after another.
template <class T>
void backward_weight(const Sizes& s, const T* gy, const T* x, T beta, T* gw) {
  const int64_t rows = s.batch * s.out_time;
  const Matrix<const T> g{gy, s.out, 1};
  if (s.plain()) return gemm<T>(s.in, s.out, rows, {x, 1, s.in}, g, beta, gw, s.out);
  for_tiles(s.taps, s.in, s.out, rows, kTileExtent,
            [&](int64_t tap, int64_t i, int64_t j, int64_t channels, int64_t cols) {
              T* tile = gw + (tap * s.in + i) * s.out + j;
              const int64_t chunk = std::max<int64_t>(16, kGatherBytes / 2 / (channels * int64_t(sizeof(T))));
              T* gathered = scratch<T>(Scratch::rows, std::min(chunk, rows) * channels);
              if (rows == 0) gemm_tile<T>(channels, cols, 0, g, g, beta, tile, s.out);
              for (int64_t first = 0; first < rows; first += chunk) {
                const int64_t count = std::min(chunk, rows - first);
                for (int64_t r = 0; r < count; ++r) {
                  const int64_t b = (first + r) / s.out_time;
                  const int64_t t = (first + r) % s.out_time * s.stride - s.padding + tap * s.dilation;
                  copy_row(gathered + r * channels, x + b * s.in_time * s.in + i, t, s.in_time, s.in, channels);
                }
                gemm_tile<T>(channels, cols, count, {gathered, 1, channels}, g.at(first, j), first ? T(1) : beta, tile,
                             s.out);
              }
            });
}

}  // namespace

void conv1d_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Conv1dOptions& options) {
  for_float(out.dtype(), "conv1d", [&](auto zero) {
    using T = decltype(zero);
    forward<T>({x, out, weight, options}, x.data<T>(), weight.data<T>(), bias.defined() ? bias.data<T>() : nullptr,
               out.data<T>());
  });
}

void conv1d_backward_input(const Tensor& gx, const Tensor& gy, const Tensor& weight, const Conv1dOptions& options) {
  for_float(gx.dtype(), "conv1d_backward_input", [&](auto zero) {
    using T = decltype(zero);
    backward_input<T>({gx, gy, weight, options}, gy.data<T>(), weight.data<T>(), gx.data<T>());
  });
}

void conv1d_backward_weight(const Tensor& gweight, const Tensor& gy, const Tensor& x, const Conv1dOptions& options,
                            double beta) {
  for_float(gweight.dtype(), "conv1d_backward_weight", [&](auto zero) {
    using T = decltype(zero);
    backward_weight<T>({x, gy, gweight, options}, gy.data<T>(), x.data<T>(), T(beta), gweight.data<T>());
  });
}

void upsample_nearest_forward(const Tensor& out, const Tensor& x, int factor) {
  for_float(out.dtype(), "upsample_nearest", [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.size(0) * x.size(1), c = x.size(2);
    const T* from = x.data<T>();
    T* to = out.data<T>();
    parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, c * factor)), [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r)
        for (int64_t f = 0; f < factor; ++f) std::copy_n(from + r * c, c, to + (r * factor + f) * c);
    });
  });
}

void upsample_nearest_backward(const Tensor& gx, const Tensor& gy, int factor) {
  for_float(gx.dtype(), "upsample_nearest_backward", [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = gx.size(0) * gx.size(1), c = gx.size(2);
    const T* from = gy.data<T>();
    T* to = gx.data<T>();
    parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, c * factor)), [&](int64_t b, int64_t e) {
      for (int64_t r = b; r < e; ++r) {
        std::copy_n(from + r * factor * c, c, to + r * c);
        for (int64_t f = 1; f < factor; ++f)
          for (int64_t i = 0; i < c; ++i) to[r * c + i] += from[(r * factor + f) * c + i];
      }
    });
  });
}

}  // namespace kg::cpu
