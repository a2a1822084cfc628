// Products of the rows x (N, I) of a decoding step with weights (O, I), bound by reading the weights once; for a single
// row also by each launch and each wait before the first of them arrives. So a kernel does all from one product to the
// next: it norms the rows on their way to shared memory, while the first weights are already coming, and finishes the
// sums by activation, gate and residual or takes them to their place among cached keys and values.
// A warp adds up kLines outputs of up to kRows rows, each sum in the same order whatever the batch.
#include "tensor/cuda/attention_tiles.h"  // Pack4, unrolled()
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/kernels.h"
#include "tensor/pointwise.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / kWarp;
constexpr int kLines = 2, kAhead = 4;  // rows of weights of a warp, and packs of each that are on their way at once

// Where x stands in shared memory: kTile columns of kRows rows at a time.
template <int kRows>
constexpr int kTile = kRows == 1 ? 4096 : 1024;
// Four columns are a pack. A lane that has eight weights reads two: these stand apart, so that the lanes read in a row.
template <int kPack, int kColumns>
__device__ inline int place_of(int pack) {
  return kPack == 8 ? pack % 2 * (kColumns / 8) + pack / 2 : pack;
}

// One of the weights that share the rows, and where its outputs go: steps of y from row to row and from place to place.
template <class X, class W>
struct Projection {
  Ptr<const W> weight = nullptr;
  Ptr<const X> bias = nullptr;
  Ptr<X> y = nullptr;
  int64_t row = 0, place = 0, places = 1;
};

template <class X, class W>
struct RowsProblem {
  int64_t rows, in, out;  // `out` of each projection
  int projections = 1;
  bool gated = false;   // the second projection multiplies the first
  bool packed = false;  // four columns of x and of the norm can be read at once
  Ptr<const X> x = nullptr, norm_weight = nullptr, norm_bias = nullptr, residual = nullptr;
  float eps = 0;
  bool rms = false;
  RowActivation activation = RowActivation::none;
  Ptr<const int32_t> position = nullptr;
  Projection<X, W> first, second, third;

  __device__ Projection<X, W> projection(int i) const {
    Projection<X, W> p = first;
    if (i == 1) p = second;
    if (i == 2) p = third;
    return p;
  }
  // The projection of an output among those of all, and its number there; none beyond the last.
  __device__ int owner(int64_t& output) const {
    const int i = int(output >= out) + int(output >= 2 * out) + int(output >= 3 * out);
    output -= i * out;
    return i;
  }
};

// Columns c to c + 3 of a row of n; zeros beyond.
template <class T>
__device__ inline Pack4 load_columns(Ptr<const T> row, int64_t c, int64_t n, bool packed) {
  Pack4 p{};
  if (packed) {
    if (c < n) p = load_floats<4>(row + c);
  } else {
    for (int j = 0; j < 4; ++j)
      if (c + j < n) p[j] = float(row[c + j]);
  }
  return p;
}

struct RowStatistics {
  float mean, rstd;
};
// By a warp: the mean, 0 for RMS norm, then the squares of what is left.
template <class X, class W>
__device__ inline RowStatistics statistics_of(const RowsProblem<X, W>& o, Ptr<const X> row) {
  const int64_t first = 4 * (threadIdx.x % kWarp);
  float sum = 0, squares = 0;
  for (int64_t c = first; c < o.in && !o.rms; c += 4 * kWarp) {
    const Pack4 p = load_columns(row, c, o.in, o.packed);
    sum += (p[0] + p[1]) + (p[2] + p[3]);
  }
  const float mean = warp_sum(sum) / float(o.in);
  for (int64_t c = first; c < o.in; c += 4 * kWarp) {
    const Pack4 p = load_columns(row, c, o.in, o.packed);
    for (int j = 0; j < 4; ++j)
      if (c + j < o.in) squares += (p[j] - mean) * (p[j] - mean);
  }
  return {mean, 1 / std::sqrt(warp_sum(squares) / float(o.in) + o.eps)};
}

// Columns begin .. begin + n of the rows from `first` on, normed; zeros beyond the last column.
template <int kPack, int kRows, class X, class W, class Tile, class Floats>
__device__ inline void fill_tile(const RowsProblem<X, W>& o, Tile& tile, const Floats& mean, const Floats& rstd,
                                 int64_t first, int live, int64_t begin, int n) {
  constexpr int kColumns = kTile<kRows>;
  for (int c = 4 * int(threadIdx.x); c < n; c += 4 * kThreads) {
    Pack4 scale{}, shift{};
    if (o.norm_weight != nullptr) scale = load_columns(o.norm_weight, begin + c, o.in, o.packed);
    if (o.norm_bias != nullptr) shift = load_columns(o.norm_bias, begin + c, o.in, o.packed);
    for (int r = 0; r < kRows; ++r) {
      if (r >= live) break;
      Pack4 p = load_columns(o.x + (first + r) * o.in, begin + c, o.in, o.packed);
      if (o.norm_weight != nullptr)
        for (int j = 0; j < 4; ++j) p[j] = (p[j] - mean[r]) * rstd[r] * scale[j] + shift[j];
      tile[r * (kColumns / 4) + place_of<kPack, kColumns>(c / 4)] = p;
    }
  }
}

// kAhead packs of each line from column c on, a warp's width apart; zeros beyond the last column or output.
template <class W, int kPack>
struct Weights {
  Pack<W, kPack> of[kLines][kAhead];

  __device__ void load(const Ptr<const W> (&lines)[kLines], int64_t c, int64_t n) {
    for (int l = 0; l < kLines; ++l)
      for (int a = 0; a < kAhead; ++a) {
        const int64_t at = c + a * kWarp * kPack;
        of[l][a] = lines[l] != nullptr && at < n ? load_pack<kPack>(lines[l] + at) : Pack<W, kPack>{};
      }
  }
};

template <int kPack, int kColumns, class Tile>
__device__ inline Pack<float, kPack> load_x(Tile& tile, int row, int c) {
  Pack<float, kPack> x;
  if constexpr (kPack == 1) {
    const Pack4 four = tile[row * (kColumns / 4) + c / 4];
    x[0] = c % 4 == 0 ? four[0] : (c % 4 == 1 ? four[1] : (c % 4 == 2 ? four[2] : four[3]));
  } else {
    for (int h = 0; h < kPack / 4; ++h) {
      const Pack4 four = tile[row * (kColumns / 4) + place_of<kPack, kColumns>(c / 4 + h)];
      for (int j = 0; j < 4; ++j) x[4 * h + j] = four[j];
    }
  }
  return x;
}

// Sums over the lanes of kCount values a lane, each added up in the order of warp_sum(), by halves: of two values that
// two lanes hold, one lane adds up the first and the other the second. Lane l has the sum of value l kCount / 32.
template <int kCount, int kLanes = kWarp / 2, int kAll>
__device__ inline float sum_of_lanes(float (&value)[kAll], int lane) {
  if constexpr (kCount > 1) {
    const bool upper = (lane & kLanes) != 0;
    for (int i = 0; i < kCount / 2; ++i) {
      const float mine = upper ? value[kCount / 2 + i] : value[i], other = upper ? value[i] : value[kCount / 2 + i];
      value[i] = mine + __shfl_xor_sync(kAllLanes, other, kLanes);
    }
  } else {
    value[0] += __shfl_xor_sync(kAllLanes, value[0], kLanes);
  }
  if constexpr (kLanes > 1) return sum_of_lanes<(kCount > 1 ? kCount / 2 : 1), kLanes / 2>(value, lane);
  return value[0];
}

__device__ inline float activated(RowActivation activation, float x) {
  if (activation == RowActivation::relu) return Relu::f(x);
  if (activation == RowActivation::gelu) return Gelu::f(x);
  if (activation == RowActivation::gelu_tanh) return GeluTanh::f(x);
  return x;
}

// By the lane of a row: what becomes of its sums of the outputs from `output` on.
template <class X, class W>
__device__ inline void finish(const RowsProblem<X, W>& o, int64_t row, int64_t output, const float (&sum)[kLines]) {
  const auto biased = [&](const Projection<X, W>& p, int64_t at, float value) {
    return p.bias != nullptr ? value + float(p.bias[at]) : value;
  };
  const auto store = [&](const Projection<X, W>& p, int64_t at, float value) {
    if (o.residual != nullptr) value = float(o.residual[row * o.out + at]) + value;
    const int64_t place = o.position != nullptr && p.place > 0 ? int64_t(*o.position) : 0;
    if (place >= 0 && place < p.places) p.y[row * p.row + place * p.place + at] = X(value);
  };
  if (o.gated) {
    if (output < o.out)
      store(o.first, output,
            activated(o.activation, biased(o.first, output, sum[0])) * biased(o.second, output, sum[1]));
    return;
  }
  for (int l = 0; l < kLines; ++l) {
    int64_t at = output + l;
    const int i = o.owner(at);
    if (i >= o.projections) continue;
    const Projection<X, W> p = o.projection(i);
    store(p, at, activated(o.activation, biased(p, at, sum[l])));
  }
}

template <int kPack, int kRows, class X, class W>
__global__ void rows_times_weights(RowsProblem<X, W> o) {
  constexpr int kColumns = kTile<kRows>, kStep = kWarp * kPack, kGroup = kAhead * kStep;
  static_assert(kColumns % kGroup == 0);
  KG_SHARED(Pack4, tile, kRows * kColumns / 4);
  KG_SHARED(float, mean, kRows);
  KG_SHARED(float, rstd, kRows);
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t output = (int64_t(blockIdx.x) * kWarps + warp) * (o.gated ? 1 : kLines);
  const int64_t first = int64_t(blockIdx.y) * kRows;
  const int live = o.rows - first < kRows ? int(o.rows - first) : kRows;

  Ptr<const W> lines[kLines];
  for (int l = 0; l < kLines; ++l) {
    int64_t at = o.gated ? output + l * o.out : output + l;
    if (o.gated && output >= o.out) at = 3 * o.out;
    const int i = o.owner(at);
    lines[l] = nullptr;
    if (i < o.projections) lines[l] = o.projection(i).weight + at * o.in;
  }
  Weights<W, kPack> next;
  next.load(lines, lane * kPack, o.in);
  if (o.norm_weight != nullptr) {
    for (int r = warp; r < live; r += kWarps) {
      const RowStatistics s = statistics_of(o, o.x + (first + r) * o.in);
      if (lane == 0) mean[r] = s.mean, rstd[r] = s.rstd;
    }
    __syncthreads();
  }
  float sum[kRows * kLines] = {};
  for (int64_t begin = 0; begin < o.in; begin += kColumns) {
    const int64_t rest = (o.in - begin + kStep - 1) / kStep * kStep;
    const int n = rest < kColumns ? int(rest) : kColumns;
    if (begin > 0) __syncthreads();  // the last tile has been read
    fill_tile<kPack, kRows>(o, tile, mean, rstd, first, live, begin, n);
    __syncthreads();
    for (int i = 0; i < n; i += kGroup) {
      const Weights<W, kPack> now = next;
      next.load(lines, begin + i + kGroup + lane * kPack, o.in);
      unrolled<kAhead>([&](auto ahead) {
        constexpr int a = decltype(ahead)::value;
        if (i + a * kStep >= n) return;
        unrolled<kRows>([&](auto row) {
          constexpr int r = decltype(row)::value;
          if (r >= live) return;
          const Pack<float, kPack> x = load_x<kPack, kColumns>(tile, r, i + a * kStep + lane * kPack);
          for (int l = 0; l < kLines; ++l)
            for (int j = 0; j < kPack; ++j) sum[r * kLines + l] += x[j] * float(now.of[l][a][j]);
        });
      });
    }
  }
  constexpr int kLanesOfRow = kWarp / kRows, kLanesOfSum = kLanesOfRow / kLines;
  static_assert(kLines == 2);
  const float one = sum_of_lanes<kRows * kLines>(sum, lane), other = __shfl_xor_sync(kAllLanes, one, kLanesOfSum);
  const int row = lane / kLanesOfRow;
  if (lane % kLanesOfRow == 0 && row < live) finish(o, first + row, output, {one, other});
}

bool aligned(const Tensor& t, int64_t bytes) {
  return !t.defined() || reinterpret_cast<uintptr_t>(t.raw()) % uintptr_t(bytes) == 0;
}

template <class X, class W>
void run(const char* name, RowsProblem<X, W> o, const Tensor& x, const RowNorm& norm,
         std::initializer_list<const Tensor*> weights) {
  constexpr int kPack = 16 / int(sizeof(W));
  o.rows = x.size(0), o.in = x.size(1);
  o.x = pointer<const X>(x);
  o.norm_weight = pointer<const X>(norm.weight), o.norm_bias = pointer<const X>(norm.bias);
  o.eps = float(norm.eps), o.rms = norm.rms;
  o.packed = o.in % 4 == 0;
  for (const Tensor* t : {&x, &norm.weight, &norm.bias}) o.packed = o.packed && aligned(*t, 4 * int64_t(sizeof(X)));
  bool packs = o.in % kPack == 0;
  for (const Tensor* t : weights) packs = packs && aligned(*t, 16);
  const int64_t warps = o.gated ? o.out : ceil_div(o.projections * o.out, kLines);
  const auto start = [&](auto rows, auto kernel) {
    launch(name, kernel, {ceil_div(warps, kWarps), ceil_div(o.rows, decltype(rows)::value), 1}, kThreads, o);
  };
  if (o.rows == 1)
    start(std::integral_constant<int, 1>{},
          packs ? rows_times_weights<kPack, 1, X, W> : rows_times_weights<1, 1, X, W>);
  else
    start(std::integral_constant<int, 8>{},
          packs ? rows_times_weights<kPack, 8, X, W> : rows_times_weights<1, 8, X, W>);
}

// fn(zero of x's type, zero of the weights' type)
template <class Fn>
void for_rows(const char* op, const Tensor& x, const Tensor& weight, Fn&& fn) {
  for_device_float(x.dtype(), op, [&](auto zero) {
    if (weight.dtype() == x.dtype())
      fn(zero, zero);
    else
      fn(zero, bf16{});
  });
}

}  // namespace

void linear_rows_forward(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         const RowsOptions& options) {
  if (out.numel() == 0) return;
  for_rows("linear_rows", x, weight, [&](auto x_zero, auto w_zero) {
    using X = decltype(x_zero);
    using W = decltype(w_zero);
    RowsProblem<X, W> o;
    o.out = out.size(1);
    o.gated = options.gate.defined();
    o.projections = o.gated ? 2 : 1;
    o.activation = options.activation;
    o.residual = pointer<const X>(options.residual);
    o.first = {pointer<const W>(weight), pointer<const X>(bias), pointer<X>(out), o.out};
    if (o.gated) o.second = {pointer<const W>(options.gate)};
    run("linear_rows", o, x, options.norm, {&weight, &options.gate});
  });
}

void project_rows_forward(const Tensor& queries, const Tensor& keys, const Tensor& values, const Tensor& x,
                          const RowNorm& norm, const RowProjection& q, const RowProjection& k, const RowProjection& v,
                          const Tensor& position) {
  if (queries.numel() == 0) return;
  for_rows("project_rows", x, q.weight, [&](auto x_zero, auto w_zero) {
    using X = decltype(x_zero);
    using W = decltype(w_zero);
    RowsProblem<X, W> o;
    o.out = queries.size(1);
    o.projections = 3;
    o.position = pointer<const int32_t>(position);
    const auto of = [](const RowProjection& p, const Tensor& y, int64_t row, int64_t place, int64_t places) {
      return Projection<X, W>{pointer<const W>(p.weight), pointer<const X>(p.bias), pointer<X>(y), row, place, places};
    };
    const int64_t most = keys.size(1);
    o.first = of(q, queries, o.out, 0, 1);
    o.second = of(k, keys, most * o.out, o.out, most);
    o.third = of(v, values, most * o.out, o.out, most);
    run("project_rows", o, x, norm, {&q.weight, &k.weight, &v.weight});
  });
}

}  // namespace kg::cuda
