// Reductions over any axes, extrema and their ties, top-k, running sums.
#include <limits>

#include "tests/tensor/naive.h"

namespace kg {
namespace {

// (2, 3, 2): 1 .. 12
Tensor dozen() { return Tensor::from<float>({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {2, 3, 2}); }

TEST(Sum, OverAnyAxes) {
  const Tensor x = dozen();
  EXPECT_EQ(sum(x).item(), 78);
  EXPECT_EQ(sum(x).rank(), 0);
  EXPECT_EQ(sum(x, {}, true).shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(sum(x, {0}).to_vector(), (Values{8, 10, 12, 14, 16, 18}));
  EXPECT_EQ(sum(x, {1}).to_vector(), (Values{9, 12, 27, 30}));
  EXPECT_EQ(sum(x, {-1}).to_vector(), (Values{3, 7, 11, 15, 19, 23}));
  EXPECT_EQ(sum(x, {0, 2}).to_vector(), (Values{18, 26, 34}));
  EXPECT_EQ(sum(x, {2, 0}, true).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(sum(x.permute({2, 0, 1}), {0, 1}).to_vector(), (Values{18, 26, 34}));
  EXPECT_EQ(sum(Tensor::from<float>({1, 2}, {2, 1}).expand({2, 5}), {1}).to_vector(), (Values{5, 10}));
  EXPECT_EQ(mean(x, {1}).to_vector(), (Values{3, 4, 9, 10}));
  EXPECT_EQ(mean(x).item(), 6.5);
}
TEST(Sum, OfNothing) {
  EXPECT_EQ(sum(Tensor::empty({0})).item(), 0);
  EXPECT_EQ(sum(Tensor::empty({3, 0}), {1}).to_vector(), (Values{0, 0, 0}));
  EXPECT_EQ(sum(Tensor::empty({3, 0}), {0}).numel(), 0);
  expect_error([] { mean(Tensor::empty({3, 0}), {1}); }, "[mean] over no elements, shape (3, 0)");
  expect_error([] { sum(dozen(), {3}); }, "[sum] axis 3 is out of bounds for rank 3");
}
// Summed one after another in f32, 2^24 + 1 + 1 + ... would stay 2^24, and a million tenths would be 958.
TEST(Sum, KeepsItsPrecision) {
  const Tensor tenths = Tensor::full({1000000}, 0.1f);
  EXPECT_NEAR(sum(tenths).item(), 1e6 * double(0.1f), 1e6 * 0.1 * 1e-6);
  EXPECT_NEAR(sum(tenths.reshape({100000, 10}), {0}).to_vector()[3], 1e5 * double(0.1f), 1e5 * 0.1 * 1e-6);
  EXPECT_NEAR(squared_norm(tenths), 1e6 * double(0.1f) * double(0.1f), 1e-6);
  const Tensor x = random_tensor({513, 197}, Dtype::f32, 1);
  for (const std::vector<int>& axes : {std::vector<int>{}, {0}, {1}})
    expect_same_for_any_threads([&] { return sum(x, axes); });
}
TEST(Sum, DownToAShape) {
  EXPECT_EQ(sum_to(dozen(), {3, 1}).to_vector(), (Values{18, 26, 34}));
  EXPECT_EQ(sum_to(dozen(), {2}).to_vector(), (Values{36, 42}));
  EXPECT_EQ(sum_to(dozen(), {}).item(), 78);
  EXPECT_EQ(sum_to(dozen(), {2, 3, 2}).to_vector(), dozen().to_vector());
  // Backward writes into what was summed, and into nothing else.
  const Tensor x = dozen();
  EXPECT_EQ(sum_to(x, {2, 3, 2}).storage(), x.storage());
  for (const Shape& shape : {Shape{3, 1}, Shape{1, 3, 2}, Shape{}}) {
    const Tensor sum = sum_to(x, shape);
    EXPECT_NE(sum.storage(), x.storage());
    EXPECT_EQ(sum.storage().use_count(), 1);
  }
}

TEST(Sum, ToWhereItIsWanted) {
  const Tensor x = Tensor::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}), whole = Tensor::full({8}, 9);
  sum_into(whole.slice(0, 2, 5), x, {0});
  EXPECT_EQ(whole.to_vector(), (Values{9, 9, 5, 7, 9, 9, 9, 9}));
  sum_into(whole.slice(0, 0, 2), x, {1});
  EXPECT_EQ(whole.slice(0, 0, 2).to_vector(), (Values{6, 15}));
  sum_into(whole.slice(0, 5, 8), x.slice(0, 0, 0), {0});
  EXPECT_EQ(whole.slice(0, 5, 8).to_vector(), (Values{0, 0, 0}));
  expect_error([&] { sum_into(whole, x, {0}); }, "[sum_into] out must be a contiguous f32 (3)");
}

TEST(Extrema, ValuesAndFirstPlaces) {
  const Tensor x = Tensor::from<float>({3, 7, 7, -1, 5, -1, -kInf, 0, -kInf}, {3, 3});
  EXPECT_EQ(max(x, 1).to_vector(), (Values{7, 5, 0}));
  EXPECT_EQ(argmax(x, 1).to_vector(), (Values{1, 1, 1}));
  EXPECT_EQ(argmax(x, 1).dtype(), Dtype::i32);
  EXPECT_EQ(argmin(x, 1).to_vector(), (Values{0, 0, 0}));  // -1 and -inf stand twice: the first
  EXPECT_EQ(min(x, 0, true).to_vector(), (Values{-kInf, 0, -kInf}));
  EXPECT_EQ(min(x, 0, true).shape(), (Shape{1, 3}));
  EXPECT_EQ(argmax(Tensor::full({2, 3}, -kInf), -1).to_vector(), (Values{0, 0}));
  expect_error([] { max(Tensor::empty({2, 0}), 1); }, "[argmax] over no elements, shape (2, 0)");
  expect_error([] { argmin(Tensor::empty({2}), 1); }, "[argmin] axis 1 is out of bounds");
}

TEST(TopK, DescendingTiesByIndex) {
  const Tensor x = Tensor::from<float>({2, 9, 9, 4, -1, 0, -1, -1}, {2, 4});
  const auto [values, index] = topk(x, 3);
  EXPECT_EQ(values.to_vector(), (Values{9, 9, 4, 0, -1, -1}));
  EXPECT_EQ(index.to_vector(), (Values{1, 2, 3, 1, 0, 2}));
  EXPECT_EQ(topk(x, 4).second.to_vector(), (Values{1, 2, 3, 0, 1, 0, 2, 3}));
  EXPECT_EQ(topk(x, 0).first.shape(), (Shape{2, 0}));
  expect_error([&] { topk(x, 5); }, "[topk] k = 5 for shape (2, 4)");
}

TEST(CumSum, BothWays) {
  const Tensor x = dozen();
  EXPECT_EQ(cumsum(x, 1).to_vector(), (Values{1, 2, 4, 6, 9, 12, 7, 8, 16, 18, 27, 30}));
  EXPECT_EQ(cumsum(x, 2, true).to_vector(), (Values{3, 2, 7, 4, 11, 6, 15, 8, 19, 10, 23, 12}));
  EXPECT_EQ(cumsum(x.transpose(0, 2), 0).select(0, 1).to_vector(), (Values{3, 15, 7, 19, 11, 23}));
}

}  // namespace
}  // namespace kg
