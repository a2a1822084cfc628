// Attention on the device against the CPU in f64: one and several tiles of keys and blocks of queries, widths with and
// without packs, every option, views of fused projections and of caches, one query (decoding), rows without a key.
#include <cmath>
#include <limits>
#include <sstream>

#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaAttention = DeviceTest;

enum class Views { dense, fused, cache, misaligned };

struct Case {
  int64_t batch, queries, keys, heads, width;
  bool causal = false, mask = false, bias = false;
  double dropout = 0;
  Views views = Views::dense;
};

std::string text(const Case& c, Dtype dtype) {
  std::ostringstream s;
  s << name_of(dtype) << " B " << c.batch << " Tq " << c.queries << " Tk " << c.keys << " H " << c.heads << " D "
    << c.width << (c.causal ? " causal" : "") << (c.mask ? " mask" : "") << (c.bias ? " bias" : "") << " dropout "
    << c.dropout << " views " << int(c.views);
  return s.str();
}

struct Inputs {
  Twin q, k, v, gy;
  AttentionOptions cuda, cpu;
};

// (B, T, H, D): itself, one of three in a projection, or the first rows of a longer cache.
Twin heads(const Case& c, int64_t time, Dtype dtype, uint64_t stream) {
  if (c.views == Views::fused) {
    const Twin all = random_twin({c.batch, time, 3, c.heads, c.width}, dtype, stream);
    return {all.cuda.select(2, 1), all.cpu.select(2, 1)};
  }
  if (c.views == Views::cache) {
    const Twin all = random_twin({c.batch, time + 5, c.heads, c.width}, dtype, stream);
    return {all.cuda.slice(1, 0, time), all.cpu.slice(1, 0, time)};
  }
  return random_twin({c.batch, time, c.heads, c.width}, dtype, stream, c.views == Views::misaligned);
}

Inputs inputs_of(const Case& c, Dtype dtype) {
  Inputs in{heads(c, c.queries, dtype, 1),
            heads(c, c.keys, dtype, 2),
            heads(c, c.keys, dtype, 3),
            random_twin({c.batch, c.queries, c.heads, c.width}, dtype, 4),
            {},
            {}};
  in.cpu.causal = c.causal, in.cpu.dropout = c.dropout, in.cpu.random = {77, 5};
  in.cuda = in.cpu;
  if (c.mask) {
    in.cpu.key_mask = Tensor::ones({c.batch, c.keys}, Dtype::u8);
    for (int64_t b = 0; b < c.batch; ++b)
      for (int64_t j = 0; j < c.keys; ++j)  // batch entry 1 has nothing to see
        in.cpu.key_mask.data<uint8_t>()[b * c.keys + j] = b == 1 ? 0 : (j * 7 + b) % 4 != 1;
    in.cuda.key_mask = in.cpu.key_mask.to(Device::cuda);
  }
  if (c.bias) {
    const Twin bias = random_twin({1, c.heads, c.queries, c.keys}, dtype, 6);
    in.cuda.bias = bias.cuda, in.cpu.bias = bias.cpu;
  }
  return in;
}

// bf16 rounds the weights before P V, each by at most 2^-8 of itself, and y once more. So the error of y is at most
// 2^-8 (P' . |v| + |y|), and a little more for the sums in f32, element by element.
void expect_mix_of_rounded(const Tensor& got, const Tensor& want, const Inputs& in, const std::string& what) {
  const std::vector<double> bound = attention(in.q.cpu, in.k.cpu, abs(in.v.cpu), in.cpu).y.to_vector();
  const std::vector<double> g = got.to_vector(), w = want.to_vector();
  for (size_t i = 0; i < w.size(); ++i)
    ASSERT_LE(std::fabs(g[i] - w[i]), 0x1.02p-8 * (bound[i] + std::fabs(w[i])) + 1e-5) << what << ", element " << i;
}

void check(const Case& c, Dtype dtype) {
  const std::string what = text(c, dtype);
  const Inputs in = inputs_of(c, dtype);
  const AttentionResult got = attention(in.q.cuda, in.k.cuda, in.v.cuda, in.cuda);
  const AttentionResult want = attention(in.q.cpu, in.k.cpu, in.v.cpu, in.cpu);
  expect_close(got.weights, want.weights, 4e-6, "weights " + what);
  if (dtype == Dtype::bf16)
    expect_mix_of_rounded(got.y, want.y, in, what);
  else
    expect_close(got.y, want.y, 8e-6, "y " + what);
  // Both start from the same weights. The gradient of scores is rounded to the dtype on its way to those of q and k.
  const Twin weights = twin_of(want.weights, dtype);
  const AttentionGradients g = attention_backward(in.gy.cuda, in.q.cuda, in.k.cuda, in.v.cuda, weights.cuda, in.cuda);
  const AttentionGradients w = attention_backward(in.gy.cpu, in.q.cpu, in.k.cpu, in.v.cpu, weights.cpu, in.cpu);
  const double kept = dtype == Dtype::bf16 ? 0x1p-7 : 3e-5;
  expect_close(g.q, w.q, kept, "gq " + what);
  expect_close(g.k, w.k, kept, "gk " + what);
  expect_close(g.v, w.v, kept, "gv " + what);
  if (c.bias) expect_close(g.bias, w.bias, kept, "gbias " + what);
}

void check_all(const std::vector<Case>& cases) {
  for (const Case& c : cases)
    for (const Dtype dtype : {Dtype::f32, Dtype::bf16}) {
      check(c, dtype);
      if (testing::Test::HasFailure()) return;
    }
}

TEST_F(CudaAttention, Sizes) {
  check_all({{1, 2, 2, 1, 1},
             {1, 7, 9, 2, 3},
             {2, 31, 33, 1, 8},
             {1, 33, 31, 2, 30},
             {1, 51, 51, 2, 64},
             {1, 56, 64, 1, 64},
             {1, 57, 65, 1, 64},
             {1, 20, 129, 1, 40},
             {1, 113, 20, 1, 12},
             {1, 49, 33, 1, 128},
             {1, 10, 70, 1, 100},
             {1, 9, 32, 1, 65}});
}

// Pieces, blocks and tiles of the tensor-core kernels that are not whole, for every kind of width.
TEST_F(CudaAttention, SizesOnTensorCores) {
  for (const int64_t width : {2, 7, 15, 16, 17, 48, 80, 127})
    for (const auto& [queries, keys] : {std::pair<int64_t, int64_t>{17, 15}, {2, 66}})
      check({1, queries, keys, 1, width, queries > keys}, Dtype::bf16);
  for (const int64_t keys : {8, 16, 31, 63, 64, 65})  // rows of weights that begin anywhere in a block of four
    check({2, 65, keys, 1, 8, true, keys % 2 == 0, keys % 3 == 0, 0.4}, Dtype::bf16);
}

// A row is the same bits alone and among others of a batch, and with keys behind it that it does not see.
TEST_F(CudaAttention, RowsDoNotDependOnOtherRows) {
  for (const Dtype dtype : kDeviceFloats) {
    const Tensor q = random_twin({3, 70, 2, 16}, dtype, 1).cuda, k = random_twin({3, 70, 2, 16}, dtype, 2).cuda;
    AttentionOptions o;
    o.causal = true;
    const auto rows = [&](int64_t b, int64_t batch, int64_t time) {
      auto part = [&](const Tensor& t) { return t.slice(0, b, b + batch).slice(1, 0, time); };
      return attention(part(q), part(k), part(k), o).y;
    };
    const Tensor all = rows(0, 3, 70);
    EXPECT_EQ(rows(1, 1, 70).to_vector(), all.slice(0, 1, 2).to_vector()) << name_of(dtype);
    EXPECT_EQ(rows(2, 1, 21).to_vector(), all.slice(0, 2, 3).slice(1, 0, 21).to_vector()) << name_of(dtype);
  }
}

TEST_F(CudaAttention, Options) {
  check_all({{1, 51, 51, 1, 64, true},
             {3, 12, 20, 2, 8, false, true},
             {2, 12, 12, 2, 8, false, false, true},
             {2, 13, 13, 2, 16, false, false, false, 0.3},
             {3, 70, 70, 1, 16, true, true, true, 0.1},
             {1, 70, 150, 1, 8, true, false, false, 0.5},
             {1, 80, 20, 1, 8, true, true, false, 0.2},
             {1, 300, 20, 1, 8, true},  // blocks of queries that see nothing
             {3, 40, 40, 1, 72, true, true, true, 0.25}});
}

TEST_F(CudaAttention, ViewsAreReadWhereTheyAre) {
  check_all({{2, 20, 20, 3, 16, true, false, false, 0, Views::fused},
             {2, 20, 70, 2, 16, false, false, false, 0, Views::cache},
             {2, 20, 20, 2, 16, false, false, false, 0, Views::misaligned},
             {2, 9, 9, 3, 7, true, false, false, 0, Views::fused}});
}

TEST_F(CudaAttention, OneQuery) {
  check_all({{2, 1, 1, 2, 64, true},
             {2, 1, 51, 2, 64, true, false, false, 0, Views::cache},
             {3, 1, 100, 2, 16, true, true, true, 0.3, Views::cache},
             {1, 1, 257, 1, 128, false, false, true},
             {1, 1, 300, 1, 65, false, false, false, 0.1},
             {1, 1, 1024, 1, 5, false, true},
             {1, 1, 1025, 1, 5, true, true, true, 0.1},
             {2, 1, 33, 2, 7, false, false, false, 0, Views::misaligned}});
}

// Two keys, weights 1/4 and 3/4.
TEST_F(CudaAttention, KnownValues) {
  for (const int64_t queries : {1, 2}) {
    const Tensor q = Tensor::ones({1, queries, 1, 1}, Dtype::f32, Device::cuda);
    const Tensor k = Tensor::from<float>({0, std::log(3.0f)}, {1, 2, 1, 1}).to(Device::cuda);
    const Tensor v = Tensor::from<float>({4, 8}, {1, 2, 1, 1}).to(Device::cuda);
    AttentionOptions o;
    o.scale = 1;
    const AttentionResult r = attention(q, k, v, o);
    EXPECT_NEAR(r.weights.to_vector()[0], 0.25, 1e-6);
    EXPECT_NEAR(r.y.to_vector()[0], 7, 1e-5);
    // gP = gy v = (4, 8), rowsum(P gP) = 7: gS = (-3/4, 3/4), gq = gS . k
    const AttentionGradients g =
        attention_backward(Tensor::ones({1, queries, 1, 1}, Dtype::f32, Device::cuda), q, k, v, r.weights, o);
    EXPECT_NEAR(g.q.to_vector()[0], 0.75 * std::log(3.0), 1e-5);
    EXPECT_NEAR(g.k.to_vector()[1], 0.75 * double(queries), 1e-5);
    EXPECT_NEAR(g.v.to_vector()[0], 0.25 * double(queries), 1e-6);
  }
}

TEST_F(CudaAttention, InfiniteBiasHidesAndNanIsSeen) {
  constexpr float kInf = std::numeric_limits<float>::infinity(), kNan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [queries, dtype] : {std::pair{1, Dtype::f32}, {3, Dtype::f32}, {3, Dtype::bf16}}) {
    const Twin q = random_twin({1, queries, 1, 4}, dtype, 1), k = random_twin({1, 5, 1, 4}, dtype, 2);
    for (const float other : {0.5f, -kInf, kNan}) {
      std::vector<float> values(size_t(queries) * 5, -kInf);
      values[3] = other;
      const Twin bias = twin_of(Tensor::from(values, {1, 1, queries, 5}).to(Dtype::f64), dtype);
      AttentionOptions o, on_cpu;
      o.bias = bias.cuda, on_cpu.bias = bias.cpu;
      const AttentionResult got = attention(q.cuda, k.cuda, k.cuda, o), want = attention(q.cpu, k.cpu, k.cpu, on_cpu);
      expect_close(got.weights, want.weights, 1e-6, "weights");
      expect_close(got.y, want.y, 1e-6, "y");
      EXPECT_EQ(std::isnan(got.weights.to_vector()[3]), std::isnan(other));
    }
  }
}

// A replayed graph drops what the step run anew would, in the backward the same as in the forward.
TEST_F(CudaAttention, GraphDropsAsTheStepWould) {
  for (const auto& [queries, dtype] : {std::pair{1, Dtype::f32}, {9, Dtype::f32}, {9, Dtype::bf16}}) {
    const Twin q = random_twin({1, queries, 1, 8}, dtype, 1), k = random_twin({1, 9, 1, 8}, dtype, 2);
    const Tensor y = empty_like(q.cuda), gv = empty_like(k.cuda);
    const auto step = [&] {
      AttentionOptions o;
      o.dropout = 0.5, o.random = default_generator().next();
      const AttentionResult r = attention(q.cuda, k.cuda, k.cuda, o);
      y.copy_from(r.y);
      gv.copy_from(attention_backward(q.cuda, q.cuda, k.cuda, k.cuda, r.weights, o).v);
    };
    std::vector<std::vector<double>> eager, replayed;
    auto note = [&](auto& to) { to.push_back(y.to_vector()), to.push_back(gv.to_vector()); };
    default_generator() = {5, 100};
    for (int i = 0; i < 3; ++i) step(), note(eager);
    default_generator() = {5, 100};
    Graph graph;
    graph.capture(step);
    note(replayed);
    for (int i = 1; i < 3; ++i) graph.replay(), note(replayed);
    EXPECT_EQ(replayed, eager);
    EXPECT_NE(eager[1], eager[3]);
  }
}

TEST_F(CudaAttention, EmptySidesAndWideHeads) {
  const Tensor none = Tensor::empty({2, 0, 1, 4}, Dtype::f32, Device::cuda);
  const Tensor some = Tensor::ones({2, 3, 1, 4}, Dtype::f32, Device::cuda);
  EXPECT_EQ(attention(some, none, none, {}).y.to_vector(), std::vector<double>(24, 0));
  const AttentionGradients g =
      attention_backward(some, some, none, none, Tensor::empty({2, 1, 3, 0}, Dtype::f32, Device::cuda), {});
  EXPECT_EQ(g.q.to_vector(), std::vector<double>(24, 0));
  EXPECT_EQ(attention(none, some, some, {}).y.numel(), 0);
  const AttentionGradients h =
      attention_backward(none, none, some, some, Tensor::empty({2, 1, 0, 3}, Dtype::f32, Device::cuda), {});
  EXPECT_EQ(h.k.to_vector(), std::vector<double>(24, 0));
  const Tensor wide = Tensor::ones({1, 2, 1, 129}, Dtype::f32, Device::cuda);
  EXPECT_THROW(attention(wide, wide, wide, {}), Error);
}

}  // namespace
}  // namespace kg
