// What a trace of ops records: every kernel once, with its operands, arithmetic and memory, and nothing without one.
#include "tensor/trace.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <thread>

#include "autograd/functions.h"

namespace kg {
namespace {

std::vector<OpRecord> traced(const std::function<void()>& work) {
  const OpTrace trace;
  work();
  return trace.records();
}
OpRecord only(const std::function<void()>& work) {
  const std::vector<OpRecord> records = traced(work);
  EXPECT_EQ(records.size(), 1u);
  return records.empty() ? OpRecord{} : records[0];
}
Tensor ones(const Shape& shape, Dtype dtype = Dtype::f32) { return Tensor::ones(shape, dtype); }

TEST(OpTrace, RecordsALinear) {
  const Tensor x = ones({3, 5, 7}), w = ones({4, 7}), b = ones({4});
  const OpRecord r = only([&] { linear(x, w, b); });
  EXPECT_STREQ(r.kernel, "linear_forward");
  EXPECT_EQ(r.name(), "linear");
  EXPECT_EQ(r.shapes(), "15x4, 15x7, 4x7, 4");
  EXPECT_EQ(r.flops(), 2.0 * 15 * 4 * 7);
  EXPECT_EQ(r.bytes(), 4.0 * (15 * 4 + 15 * 7 + 4 * 7 + 4));
  EXPECT_GE(r.seconds, 0);
  EXPECT_LT(r.seconds, 10);
  EXPECT_EQ(only([&] { linear(x, w, {}); }).shapes(), "15x4, 15x7, 4x7");
}

TEST(OpTrace, CountsTheArithmeticOfProducts) {
  const Tensor a = ones({2, 3, 4}), b = ones({2, 4, 5}), gy = ones({6, 4}), x = ones({6, 7}), w = ones({4, 7}),
               sums = ones({4});
  EXPECT_EQ(only([&] { matmul(a, b); }).flops(), 2.0 * 2 * 3 * 4 * 5);
  EXPECT_EQ(only([&] { matmul_into(w, gy.transpose(0, 1), x, 1); }).flops(), 2.0 * 6 * 4 * 7);
  EXPECT_EQ(only([&] { linear_backward_weight(w, sums, gy, x, 1); }).flops(), 2.0 * 6 * 4 * 7);
  EXPECT_EQ(only([&] { linear_rows(x, w, {}); }).flops(), 2.0 * 6 * 4 * 7);
  EXPECT_EQ(only([&] { linear_rows(x, w, {}, {.gate = w}); }).flops(), 4.0 * 6 * 4 * 7);
  const Tensor keys = ones({6, 5, 2, 2}), values = keys.clone(), place = Tensor::zeros({1}, Dtype::i32);
  const OpRecord projected = only([&] { project_rows(x, {}, {w, {}}, {w, {}}, {w, {}}, keys, values, place); });
  EXPECT_EQ(projected.flops(), 3 * 2.0 * 6 * 4 * 7);
  EXPECT_EQ(projected.bytes(), 4.0 * (3 * 24 + 42 + 3 * 28 + 1)) << "one position of the caches";
  EXPECT_EQ(only([&] { nearest_code(x, w); }).flops(), 2.0 * 6 * 4 * 7);
  // 2 samples of 9 frames and 3 channels, 5 filters of 4 taps, every second frame: 4 frames.
  const Conv1dOptions options{.stride = 2, .padding = 1};
  const Tensor signal = ones({2, 9, 3}), filter = conv1d_weight_layout(ones({5, 3, 4})), g = ones({2, 4, 5});
  const double convolution = 2.0 * 2 * 4 * 5 * 3 * 4;
  EXPECT_EQ(only([&] { conv1d(signal, filter, {}, options); }).flops(), convolution);
  EXPECT_EQ(only([&] { conv1d_backward_input(g, filter, {2, 9, 3}, options); }).flops(), convolution);
  EXPECT_EQ(only([&] { conv1d_backward_weight(filter, g, signal, options, 0); }).flops(), convolution);
  // 2 samples, 3 queries, 6 keys, 4 heads of width 8.
  const Tensor q = ones({2, 3, 4, 8}), k = ones({2, 6, 4, 8});
  Tensor weights;
  EXPECT_EQ(only([&] { weights = attention(q, k, k, {}).weights; }).flops(), 4.0 * 2 * 4 * 3 * 6 * 8);
  EXPECT_EQ(only([&] { attention_backward(q, q, k, k, weights, {}); }).flops(), 8.0 * 2 * 4 * 3 * 6 * 8);
  EXPECT_EQ(only([&] { relu(x); }).flops(), 0);
}

TEST(OpTrace, CountsTheMemoryThatMustMove) {
  const Tensor x = ones({6, 8}), row = ones({8});
  EXPECT_EQ(only([&] { relu(x); }).bytes(), 4.0 * 2 * 48);
  EXPECT_EQ(only([&] { add(x, row); }).bytes(), 4.0 * (2 * 48 + 8)) << "a repeated row is read once";
  const OpRecord in_place = only([&] { add_(x, x); });
  EXPECT_EQ(in_place.name(), "add_");
  EXPECT_EQ(in_place.bytes(), 4.0 * 3 * 48) << "read and written";
  EXPECT_EQ(only([&] { adam_step(x, x, x, x, 1, {}, 1); }).bytes(), 4.0 * 7 * 48);
  const Tensor table = ones({1000, 8}), ids = Tensor::zeros({5}, Dtype::i32);
  const OpRecord looked_up = only([&] { embedding(table, ids); });
  EXPECT_EQ(looked_up.name(), "index_select");
  EXPECT_EQ(looked_up.bytes(), 4.0 * (2 * 5 * 8 + 5)) << "not all of the table";
  EXPECT_NE(looked_up.shapes().find("5 i32"), std::string::npos) << looked_up.shapes();
  EXPECT_EQ(traced([&] { relu(x.to(Dtype::f64)); }).size(), 2u) << "the conversion too";
}

// Ops of several kernels are their kernels, so that nothing is counted twice.
TEST(OpTrace, SplitsOpsIntoKernels) {
  const Tensor gates = ones({2, 3, 12}), w = ones({12, 4}), b = ones({12}), h = ones({2, 4});
  const Tensor lengths = Tensor::from<int32_t>({3, 3}, {2});
  std::map<std::string, int> calls;
  for (const OpRecord& r : traced([&] { gru(gates, w, b, h, lengths, false); })) ++calls[r.name()];
  EXPECT_EQ(calls, (std::map<std::string, int>{{"copy", 2}, {"matmul_into", 3}, {"gru_step", 3}}));
}

TEST(OpTrace, IsOfItsScopeAndThread) {
  const Tensor x = ones({4});
  relu(x);
  EXPECT_EQ(OpTrace::active(), nullptr);
  const OpTrace outer;
  relu(x);
  EXPECT_EQ(traced([&] { exp(x), exp(x); }).size(), 2u);
  std::thread([&] { exp(x); }).join();
  relu(x);
  ASSERT_EQ(outer.records().size(), 2u);
  for (const OpRecord& r : outer.records()) EXPECT_EQ(r.name(), "relu");
  EXPECT_THROW(matmul(x, x), Error);
  EXPECT_EQ(outer.records().size(), 2u);
}

TEST(OpTrace, ChangesNoResult) {
  const auto step = [] {
    default_generator() = {7, 0};
    const Tensor x = Tensor::empty({6, 8}), w = Tensor::empty({5, 8});
    fill_normal(x, 0, 1, default_generator().next()), fill_normal(w, 0, 1, default_generator().next());
    Var weight(w, true);
    backward(mean(square(softmax(dropout(linear(Var(x), weight, {}), 0.5, true)))));
    return weight.meta->grad.to_vector();
  };
  const std::vector<double> without = step();
  std::vector<double> with;
  EXPECT_GT(traced([&] { with = step(); }).size(), 8u);
  EXPECT_EQ(with, without);
}

}  // namespace
}  // namespace kg
