// Attention of one query: q, y (B, 1, H, D), k, v (B, Tk, H, D) views, mostly of a cache of which the first n keys are
// seen, weights (B, H, 1, Tk) or null. A block works on one head of one batch entry. All is latency here: keys and
// values are read once, straight to registers, kAhead rows of every group of lanes at a time, so that a block has 64
// rows on their way at once. More than kDecodeKeys come by in as many parts, each of which scales down what was summed
// before it to the largest score so far.
#include "tensor/cuda/attention_decode.h"

#include <limits>

#include "tensor/cuda/attention_tiles.h"
#include "tensor/cuda/kernels.h"

namespace kg::cuda {
namespace {

constexpr int kThreads = 256, kAhead = 4;

template <class T>
struct DecodeTerms {
  Ptr<const T> bias;
  int64_t batch = 0, head = 0;
  Ptr<const uint8_t> mask;

  explicit DecodeTerms(const AttentionOptions& o)
      : bias(pointer<const T>(o.bias)), mask(pointer<const uint8_t>(o.key_mask)) {
    if (o.bias.defined() && o.bias.size(0) > 1) batch = o.bias.strides()[0];
    if (o.bias.defined() && o.bias.size(1) > 1) head = o.bias.strides()[1];
  }
};

// fn(j, four elements of row j of n) for the rows of this thread's group: j = group, group + kGroups, ...
template <int kGroups, class T, class Fn>
__device__ inline void for_own_rows(const HeadsView<const T>& x, Ptr<const T> rows, int n, int group, int column,
                                    Fn&& fn) {
  for (int j = group; j - group < n; j += kGroups * kAhead) {
    Pack4 ahead[kAhead];
    for (int a = 0; a < kAhead; ++a) {
      ahead[a] = Pack4{};
      if (j + a * kGroups < n && column < x.width) ahead[a] = load4(x, rows + (j + a * kGroups) * x.time, column);
    }
    for (int a = 0; a < kAhead; ++a) fn(j + a * kGroups, ahead[a]);
  }
}

// The softmax of keys that come in parts: of the next `count`, scores p become exp(p - top), where `top` and `sum` are
// those of all keys so far. Returns the factor that takes what was summed before to the new top.
template <class P, class S>
__device__ inline float weigh(P& p, S& part, int count, float& top, float& sum) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  const float before = top;
  for (int j = threadIdx.x; j < count; j += kThreads) top = p[j] > top ? float(p[j]) : top;
  top = block_max(top, part);
  const float scale = before > kHidden ? std::exp(before - top) : 1;  // else nothing was seen, or NaN alone
  float more = 0;
  for (int j = threadIdx.x; j < count; j += kThreads) {
    const float s = p[j];
    const float e = top > kHidden ? std::exp(s - top) : (s == kHidden ? 0 : s);  // a NaN stays to be seen
    p[j] = e;
    more += e;
  }
  sum = sum * scale + block_sum(more, part);
  return scale;
}

// kPacks lanes share a row, four columns each. `position` says how many keys are seen; null: all, and only then there
// may be weights, of one part.
template <class T, int kPacks>
__global__ void attention_decode_kernel(AttentionProblem o, DecodeTerms<T> terms, HeadsView<T> y, Ptr<T> weights,
                                        HeadsView<const T> q, HeadsView<const T> k, HeadsView<const T> v,
                                        Ptr<const int32_t> position, Ptr<const uint64_t> stream_offset) {
  constexpr int kGroups = kThreads / kPacks, kPart = int(kDecodeKeys);
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  KG_SHARED(float, p, kPart);
  KG_SHARED(float, part, 32);
  KG_SHARED(Pack4, partial, kThreads);
  const int thread = threadIdx.x, group = thread / kPacks, column = 4 * (thread % kPacks), all = int(o.keys);
  const int seen = position == nullptr ? all : int(*position) + 1, n = seen < all ? seen : all;
  const int64_t plane = blockIdx.x, b = plane / o.heads, h = plane % o.heads;
  const int64_t bias = b * terms.batch + h * terms.head + all - n;
  const Philox random{o.random.seed, o.random.stream + *stream_offset};

  const Pack4 query = column < o.width ? load4(q, q.row(b, h, 0), column) : Pack4{};
  float top = kHidden, sum = 0, factor = 1;
  Pack4 sums{};
  for (int begin = 0; begin < n; begin += kPart) {
    const int count = n - begin < kPart ? n - begin : kPart;
    if (begin > 0) __syncthreads();  // the last part has been read
    for_own_rows<kGroups>(k, k.row(b, h, begin), count, group, column, [&](int j, const Pack4& key) {
      float s = query[0] * key[0] + query[1] * key[1] + query[2] * key[2] + query[3] * key[3];
      for (int lanes = kPacks / 2; lanes > 0; lanes /= 2) s += __shfl_xor_sync(kAllLanes, s, lanes);
      if (j >= count || column != 0) return;
      s *= o.scale;
      if (terms.bias != nullptr) s += float(terms.bias[bias + begin + j]);
      p[j] = terms.mask == nullptr || terms.mask[b * o.keys + begin + j] ? s : kHidden;
    });
    __syncthreads();
    const float scale = weigh(p, part, count, top, sum);
    factor = top > kHidden ? 1 / sum : 1;
    for (int j = thread; j < count && weights != nullptr; j += kThreads) {
      const int64_t at = plane * o.keys + begin + j;
      weights[at] = T(p[j] * factor);
      if (o.drops) p[j] = kept_bits(o, random, at / 4) >> (at % 4) & 1 ? p[j] * o.keep_scale : 0;
    }
    __syncthreads();
    for (int i = 0; i < 4; ++i) sums[i] *= scale;
    for_own_rows<kGroups>(v, v.row(b, h, begin), count, group, column, [&](int j, const Pack4& value) {
      const float w = j < count ? float(p[j]) : 0;
      for (int i = 0; i < 4; ++i) sums[i] += w * value[i];
    });
  }
  partial[thread] = sums;
  __syncthreads();
  if (thread >= kPacks || column >= o.width) return;
  Pack4 total{};
  for (int g = 0; g < kGroups; ++g) {
    const Pack4 one = partial[g * kPacks + thread];
    for (int i = 0; i < 4; ++i) total[i] += one[i];
  }
  for (int i = 0; i < 4; ++i) total[i] *= factor;
  store4(y, y.row(b, h, 0), column, total);
}

void run(const Tensor& y, const Tensor& weights, const Tensor& q, const Tensor& k, const Tensor& v,
         const AttentionOptions& options, const Tensor& position) {
  for_device_float(q.dtype(), "attention", [&](auto zero) {
    using T = decltype(zero);
    const AttentionProblem o(q, k, options);
    CHECK(o.width <= 128, "[attention] heads on CUDA have at most 128 columns, these have ", o.width);
    launch("attention_decode", o.width <= 64 ? attention_decode_kernel<T, 16> : attention_decode_kernel<T, 32>,
           {q.size(0) * o.heads, 1, 1}, kThreads, o, DecodeTerms<T>(options), HeadsView<T>(y), pointer<T>(weights),
           HeadsView<const T>(q), HeadsView<const T>(k), HeadsView<const T>(v), pointer<const int32_t>(position),
           stream_offset());
  });
}

}  // namespace

void attention_decode(const Tensor& y, const Tensor& weights, const Tensor& q, const Tensor& k, const Tensor& v,
                      const AttentionOptions& options) {
  run(y, weights, q, k, v, options, {});
}
void attention_rows_forward(const Tensor& y, const Tensor& q, const Tensor& keys, const Tensor& values,
                            const AttentionOptions& options, const Tensor& position) {
  const Shape heads{keys.size(0), 1, keys.size(2), keys.size(3)};
  run(y.reshape(heads), {}, q.reshape(heads), keys, values, options, position);
}

}  // namespace kg::cuda
