// Attention and its gradients against plain loops in f64 and central differences.
#include <limits>

#include "tests/tensor/naive.h"

namespace kg {
namespace {

struct Qkv {
  Tensor q, k, v;
};
Qkv random_qkv(int64_t batch, int64_t tq, int64_t tk, int64_t heads, int64_t width, Dtype dtype) {
  return {random_tensor({batch, tq, heads, width}, dtype, 1), random_tensor({batch, tk, heads, width}, dtype, 2),
          random_tensor({batch, tk, heads, width}, dtype, 3)};
}

// The definition, in double: softmax(scale q k^T + bias) with hidden keys left out, dropout, times v.
struct Naive {
  std::vector<double> weights, y;  // (B, H, Tq, Tk), (B, Tq, H, D)

  Naive(const Qkv& in, const AttentionOptions& o) {
    const int64_t batch = in.q.size(0), tq = in.q.size(1), heads = in.q.size(2), width = in.q.size(3),
                  tk = in.k.size(1);
    const double scale = o.scale > 0 ? o.scale : 1 / std::sqrt(double(width));
    y.assign(size_t(in.q.numel()), 0.0);
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < tq; ++i) {
          std::vector<double> p(size_t(tk), 0.0);
          double total = 0;
          for (int64_t j = 0; j < tk; ++j) {
            if (o.causal && j > i + tk - tq) continue;
            if (o.key_mask.defined() && !o.key_mask.data<uint8_t>()[b * tk + j]) continue;
            double s = 0;
            for (int64_t d = 0; d < width; ++d) s += at(in.q, {b, i, h, d}) * at(in.k, {b, j, h, d});
            s *= scale;
            if (o.bias.defined()) s += at(o.bias, {o.bias.size(0) > 1 ? b : 0, o.bias.size(1) > 1 ? h : 0, i, j});
            total += p[size_t(j)] = std::exp(s);
          }
          for (int64_t j = 0; j < tk; ++j) {
            const double weight = total > 0 ? p[size_t(j)] / total : 0;
            const uint64_t element = weights.size();
            weights.push_back(weight);
            const double kept = o.dropout == 0                                   ? 1
                                : double(o.random.uniform(element)) >= o.dropout ? 1 / (1 - o.dropout)
                                                                                 : 0;
            for (int64_t d = 0; d < width; ++d)
              y[size_t(((b * tq + i) * heads + h) * width + d)] += weight * kept * at(in.v, {b, j, h, d});
          }
        }
  }
};

void expect_near(const Tensor& t, const std::vector<double>& expected, double tolerance) {
  const std::vector<double> values = t.to_vector();
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], expected[i], tolerance) << "element " << i;
}

void expect_definition(const Qkv& in, const AttentionOptions& options) {
  const AttentionResult result = attention(in.q, in.k, in.v, options);
  const Naive naive(in, options);
  const double tolerance = in.q.dtype() == Dtype::f64 ? 1e-13 : 5e-6;
  EXPECT_EQ(result.y.shape(), in.q.shape());
  expect_near(result.weights, naive.weights, tolerance);
  expect_near(result.y, naive.y, 4 * tolerance);
}

Tensor mask_hiding(int64_t batch, int64_t keys, std::initializer_list<std::pair<int64_t, int64_t>> hidden) {
  const Tensor mask = Tensor::ones({batch, keys}, Dtype::u8);
  for (auto [b, j] : hidden) mask.data<uint8_t>()[b * keys + j] = 0;
  return mask;
}

TEST(Attention, Definition) {
  const int64_t times[][2] = {{1, 1}, {1, 51}, {3, 3}, {51, 51}, {7, 51}, {51, 7}, {197, 197}, {263, 130}};
  for (Dtype dtype : kDtypes)
    for (auto [tq, tk] : times)
      for (int64_t width : {5, 32})
        for (bool causal : {false, true}) {
          SCOPED_TRACE(testing::Message()
                       << tq << " queries, " << tk << " keys, width " << width << ", causal " << causal);
          AttentionOptions o;
          o.causal = causal;
          const Qkv in = random_qkv(2, tq, tk, 2, width, dtype);
          expect_definition(in, o);
          o.scale = 0.3;
          o.dropout = 0.25;
          o.random = {11, 12};
          o.key_mask = mask_hiding(2, tk, {{0, 0}, {1, tk - 1}, {1, tk / 2}});
          o.bias = random_tensor({1, 2, tq, tk}, dtype, 9);
          expect_definition(in, o);
          if (HasFatalFailure()) return;
        }
}

TEST(Attention, BiasShapes) {
  for (Dtype dtype : kDtypes)
    for (int64_t b : {1, 2})
      for (int64_t h : {1, 3}) {
        AttentionOptions o;
        o.bias = random_tensor({b, h, 5, 6}, dtype, 9);
        expect_definition(random_qkv(2, 5, 6, 3, 4, dtype), o);
        o.bias = random_tensor({b, h, 6, 5}, dtype, 9).transpose(2, 3);
        expect_definition(random_qkv(2, 5, 6, 3, 4, dtype), o);
      }
}

TEST(Attention, SlicesOfAFusedProjection) {
  for (Dtype dtype : kDtypes) {
    const Tensor fused = random_tensor({2, 13, 3, 4, 8}, dtype, 1);  // (B, T, qkv, H, D)
    const Qkv in{fused.select(2, 0), fused.select(2, 1), fused.select(2, 2)};
    AttentionOptions o;
    o.causal = true;
    expect_definition(in, o);
    // Heads before time, as a cache may lie; and a stride in D, which is copied.
    const Tensor cache = random_tensor({2, 4, 13, 8}, dtype, 2).transpose(1, 2);
    expect_definition({in.q, cache, in.v}, o);
    const Tensor odd = random_tensor({2, 13, 8, 4}, dtype, 3).transpose(2, 3);
    expect_definition({odd, in.k, odd}, o);
    const Tensor repeated = random_tensor({2, 1, 4, 8}, dtype, 4).expand({2, 13, 4, 8});
    expect_definition({in.q, repeated, repeated}, o);
  }
}

TEST(Attention, RowsWithoutKeysAreZero) {
  for (Dtype dtype : kDtypes)
    for (int64_t tq : {1, 5}) {
      const Qkv in = random_qkv(2, tq, 3, 2, 4, dtype);
      AttentionOptions o;
      o.key_mask = mask_hiding(2, 3, {{0, 0}, {0, 1}, {0, 2}});
      const AttentionResult masked = attention(in.q, in.k, in.v, o);
      EXPECT_EQ(masked.y.select(0, 0).to_vector(), std::vector<double>(size_t(tq * 8), 0.0));
      EXPECT_EQ(masked.weights.select(0, 0).to_vector(), std::vector<double>(size_t(tq * 6), 0.0));
      o = {};
      o.bias = Tensor::full({1, 1, tq, 3}, -kInf, dtype);
      const AttentionResult biased = attention(in.q, in.k, in.v, o);
      EXPECT_EQ(biased.y.to_vector(), std::vector<double>(size_t(tq * 16), 0.0));
      const AttentionGradients g = attention_backward(in.q, in.q, in.k, in.v, biased.weights, o);
      for (const Tensor& t : {g.q, g.k, g.v, g.bias}) EXPECT_EQ(max_abs_difference(t, zeros_like(t)), 0);
    }
  // More queries than keys under a causal mask: the first ones see nothing.
  AttentionOptions o;
  o.causal = true;
  const Qkv in = random_qkv(1, 5, 2, 1, 4, Dtype::f64);
  const Tensor y = attention(in.q, in.k, in.v, o).y;
  EXPECT_EQ(y.slice(1, 0, 3).to_vector(), std::vector<double>(12, 0.0));
  EXPECT_EQ(y.slice(1, 3, 4).to_vector(), in.v.slice(1, 0, 1).to_vector());
}

TEST(Attention, NanIsNotHidden) {
  const Qkv in = random_qkv(1, 2, 3, 1, 4, Dtype::f32);
  in.k.fill(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(std::isnan(attention(in.q, in.k, in.v, {}).y.to_vector()[0]));
}

TEST(Attention, Empty) {
  const Qkv in = random_qkv(2, 3, 0, 2, 4, Dtype::f32);
  EXPECT_EQ(attention(in.q, in.k, in.v, {}).y.to_vector(), std::vector<double>(48, 0.0));
  const Qkv none = random_qkv(2, 0, 3, 2, 4, Dtype::f32);
  const AttentionGradients g = attention_backward(none.q, none.q, none.k, none.v, Tensor::empty({2, 2, 0, 3}), {});
  EXPECT_EQ(g.k.to_vector(), std::vector<double>(48, 0.0));
  EXPECT_EQ(g.v.to_vector(), std::vector<double>(48, 0.0));
}

void expect_gradients(const Qkv& in, const AttentionOptions& o) {
  const Tensor gy = random_tensor(in.q.shape(), Dtype::f64, 21);
  const Tensor weights = attention(in.q, in.k, in.v, o).weights;
  const AttentionGradients g = attention_backward(gy, in.q, in.k, in.v, weights, o);
  auto f = [&] { return attention(in.q, in.k, in.v, o).y; };
  expect_gradient(in.q, g.q, gy, f);
  expect_gradient(in.k, g.k, gy, f);
  expect_gradient(in.v, g.v, gy, f);
  EXPECT_EQ(g.bias.defined(), o.bias.defined());
  if (o.bias.defined()) expect_gradient(o.bias, g.bias, gy, f);
}

TEST(Attention, GradientsByDifferences) {
  const int64_t times[][2] = {{1, 4}, {4, 4}, {3, 6}, {6, 3}};
  for (auto [tq, tk] : times)
    for (bool causal : {false, true}) {
      SCOPED_TRACE(testing::Message() << tq << " queries, " << tk << " keys, causal " << causal);
      const Qkv in = random_qkv(2, tq, tk, 3, 5, Dtype::f64);
      AttentionOptions o;
      o.causal = causal;
      expect_gradients(in, o);
      o.key_mask = mask_hiding(2, tk, {{1, 0}, {1, 1}});
      o.dropout = 0.4;
      o.random = {3, 4};
      for (int64_t b : {1, 2})
        for (int64_t h : {1, 3}) {
          o.bias = random_tensor({b, h, tq, tk}, Dtype::f64, 9);
          expect_gradients(in, o);
        }
    }
}

// More than one block of queries: against f64 whose blocks the test above holds.
TEST(Attention, GradientsOfManyBlocks) {
  const int64_t batch = 1, tq = 150, tk = 170, heads = 2, width = 6;
  for (bool causal : {false, true}) {
    const Qkv in = random_qkv(batch, tq, tk, heads, width, Dtype::f64);
    AttentionOptions o;
    o.causal = causal;
    o.bias = Tensor::zeros({1, 1, tq, tk}, Dtype::f64);
    const Tensor gy = random_tensor(in.q.shape(), Dtype::f64, 21);
    const AttentionResult r = attention(in.q, in.k, in.v, o);
    const AttentionGradients g = attention_backward(gy, in.q, in.k, in.v, r.weights, o);
    // By whole matrices: P = weights, gP = gy v^T, gS = P (gP - rowsum(P gP)).
    const Tensor gyh = gy.transpose(1, 2), q = in.q.transpose(1, 2), k = in.k.transpose(1, 2), v = in.v.transpose(1, 2);
    const Tensor gp = matmul(gyh, v.transpose(2, 3));
    const Tensor gs = mul(r.weights, sub(gp, sum(mul(r.weights, gp), {3}, true)));
    const double scale = 1 / std::sqrt(double(width));
    EXPECT_LT(max_abs_difference(g.v.transpose(1, 2), matmul(r.weights.transpose(2, 3), gyh)), 1e-12);
    EXPECT_LT(max_abs_difference(g.q.transpose(1, 2), affine(matmul(gs, k), scale)), 1e-12);
    EXPECT_LT(max_abs_difference(g.k.transpose(1, 2), affine(matmul(gs.transpose(2, 3), q), scale)), 1e-12);
    EXPECT_LT(max_abs_difference(g.bias, sum_to(gs, {1, 1, tq, tk})), 1e-12);
    const Qkv single{in.q.to(Dtype::f32), in.k.to(Dtype::f32), in.v.to(Dtype::f32)};
    AttentionOptions of = o;
    of.bias = o.bias.to(Dtype::f32);
    const Tensor wf = attention(single.q, single.k, single.v, of).weights;
    const AttentionGradients gf = attention_backward(gy.to(Dtype::f32), single.q, single.k, single.v, wf, of);
    EXPECT_LT(max_abs_difference(gf.q.to(Dtype::f64), g.q), 2e-5);
    EXPECT_LT(max_abs_difference(gf.k.to(Dtype::f64), g.k), 2e-5);
    EXPECT_LT(max_abs_difference(gf.v.to(Dtype::f64), g.v), 2e-5);
  }
}

TEST(Attention, DecodingDoesNotDependOnBatch) {
  const Qkv in = random_qkv(5, 1, 37, 4, 24, Dtype::f32);
  const Tensor all = attention(in.q, in.k, in.v, {}).y;
  for (int64_t b = 0; b < 5; ++b)
    EXPECT_TRUE(same_bytes(all.slice(0, b, b + 1),
                           attention(in.q.slice(0, b, b + 1), in.k.slice(0, b, b + 1), in.v.slice(0, b, b + 1), {}).y));
}

TEST(AttentionRows, AreAttentionToTheKeysUpToThePosition) {
  for (Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const Qkv in = random_qkv(3, 1, 6, 2, 5, dtype);
    const Tensor rows = in.q.reshape({3, 10}), bias = random_tensor({1, 2, 1, 6}, dtype, 9);
    const Tensor mask = Tensor::ones({3, 6}, Dtype::u8);
    mask.select(0, 1).slice(0, 0, 2).fill(0);
    for (int32_t n = 1; n <= 6; ++n) {
      const auto first = [&](const Tensor& t) { return t.slice(1, 0, n); };
      const AttentionOptions o{.scale = 0.7, .key_mask = first(mask).contiguous(), .bias = bias.slice(3, 6 - n, 6)};
      const Tensor want = attention(in.q, first(in.k), first(in.v), o).y.reshape({3, 10});
      const AttentionOptions all{.scale = 0.7, .key_mask = mask, .bias = bias};
      const Tensor position = Tensor::from<int32_t>({n - 1}, {1});
      EXPECT_TRUE(same_bytes(attention_rows(rows, in.k, in.v, all, position), want)) << n;
      if (n == 6) {
        EXPECT_TRUE(same_bytes(attention_rows(rows, in.k, in.v, all), want));
      }
    }
    expect_error([&] { attention_rows(rows, in.k, in.v, {}, Tensor::full({1}, 6, Dtype::i32)); }, "position 6");
    expect_error([&] { attention_rows(rows, in.k, in.v, {}, Tensor::zeros({1}, dtype)); }, "one i32");
    expect_error([&] { attention_rows(in.q, in.k, in.v, {}); }, "needs q (N, H D)");
    expect_error([&] { attention_rows(rows, in.k, in.v, {.dropout = 0.1}); }, "no dropout");
  }
}

TEST(Attention, ThreadCountDoesNotMatter) {
  for (bool causal : {false, true}) {
    const Qkv in = random_qkv(3, 130, 130, 4, 32, Dtype::f32);
    AttentionOptions o;
    o.causal = causal;
    o.dropout = 0.1;
    o.random = {1, 2};
    o.bias = random_tensor({1, 4, 130, 130}, Dtype::f32, 9);
    const Tensor weights = attention(in.q, in.k, in.v, o).weights;
    expect_same_for_any_threads([&] { return attention(in.q, in.k, in.v, o).y; });
    auto backward = [&] { return attention_backward(in.q, in.q, in.k, in.v, weights, o); };
    expect_same_for_any_threads([&] { return backward().q; });
    expect_same_for_any_threads([&] { return backward().k; });
    expect_same_for_any_threads([&] { return backward().v; });
    expect_same_for_any_threads([&] { return backward().bias; });
  }
}

TEST(Attention, GradientsGoWhereTheyAreWanted) {
  const Tensor qkv = random_tensor({2, 5, 3, 2, 4}, Dtype::f32, 1), gy = random_tensor({2, 5, 2, 4}, Dtype::f32, 2);
  const Tensor q = qkv.select(2, 0), k = qkv.select(2, 1), v = qkv.select(2, 2);
  const Tensor weights = attention(q, k, v, {}).weights, g = Tensor::full(qkv.shape(), std::nan(""));
  const AttentionGradients made = attention_backward(gy, q, k, v, weights, {});
  attention_backward(gy, q, k, v, weights, {}, {g.select(2, 0), g.select(2, 1), g.select(2, 2), {}});
  EXPECT_EQ(g.select(2, 0).to_vector(), made.q.to_vector());
  EXPECT_EQ(g.select(2, 1).to_vector(), made.k.to_vector());
  EXPECT_EQ(g.select(2, 2).to_vector(), made.v.to_vector());
  const auto refused = [&](const Tensor& room, const char* message) {
    expect_error([&] { attention_backward(gy, q, k, v, weights, {}, {room, {}, {}, {}}); }, message);
  };
  refused(Tensor::zeros({2, 5, 2, 3}), "room for a gradient must be f32 (2, 5, 2, 4)");
  refused(Tensor::zeros({2, 5, 4, 2}).transpose(2, 3), "with unit stride in the last axis");
}

TEST(Attention, Errors) {
  const Qkv in = random_qkv(2, 3, 4, 2, 5, Dtype::f32);
  auto with = [&](auto change) {
    AttentionOptions o;
    change(o);
    attention(in.q, in.k, in.v, o);
  };
  expect_error([&] { attention(in.q.select(0, 0), in.k, in.v, {}); }, "q must be (batch, time, heads, width)");
  expect_error([&] { attention(in.q, in.k, in.v.slice(1, 0, 3), {}); }, "k and v must be (2, Tk, 2, 5)");
  expect_error([&] { attention(in.q, in.k.to(Dtype::f64), in.v, {}); }, "f32, f64 and f32");
  expect_error([&] { with([](auto& o) { o.dropout = 1; }); }, "dropout must be in [0, 1), is 1");
  expect_error([&] { with([](auto& o) { o.scale = -1; }); }, "scale must be positive");
  expect_error([&] { with([](auto& o) { o.key_mask = Tensor::ones({2, 3}, Dtype::u8); }); }, "u8 of shape (2, 4)");
  expect_error([&] { with([](auto& o) { o.key_mask = Tensor::ones({2, 4}); }); }, "is f32");
  expect_error([&] { with([](auto& o) { o.bias = Tensor::ones({3, 4}); }); }, "bias must be (2 or 1, 2 or 1, 3, 4)");
  expect_error([&] { with([](auto& o) { o.bias = Tensor::ones({1, 1, 3, 4}, Dtype::f64); }); }, "expected f32");
  expect_error([&] { attention_backward(in.q, in.q, in.k, in.v, Tensor::zeros({2, 2, 3, 3}), {}); }, "weights must be");
}

}  // namespace
}  // namespace kg
