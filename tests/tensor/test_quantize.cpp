// nearest_code against the distances themselves, in f64.
#include "tests/tensor/naive.h"

namespace kg {
namespace {

double squared_distance(const Tensor& x, int64_t row, const Tensor& codebook, int64_t code) {
  double sum = 0;
  for (int64_t i = 0; i < x.size(1); ++i) {
    const double d = at(x, {row, i}) - at(codebook, {code, i});
    sum += d * d;
  }
  return sum;
}

TEST(NearestCode, FindsTheNearest) {
  for (Dtype dtype : kDtypes)
    for (int64_t rows : {1, 51, 263})
      for (int64_t codes : {1, 3, 513})
        for (int64_t width : {1, 32, 197}) {
          const Tensor x = random_tensor({rows, width}, dtype, 1), c = random_tensor({codes, width}, dtype, 2);
          const Tensor ids = nearest_code(x, c);
          ASSERT_EQ(ids.shape(), (Shape{rows}));
          for (int64_t r = 0; r < rows; ++r) {
            double best = squared_distance(x, r, c, 0);
            for (int64_t k = 1; k < codes; ++k) best = std::min(best, squared_distance(x, r, c, k));
            const double found = squared_distance(x, r, c, ids.data<int32_t>()[r]);
            // Rounding may choose between two codes that are equally near within it.
            ASSERT_LE(found, best + (dtype == Dtype::f64 ? 1e-12 : 2e-5) * double(width)) << "row " << r;
          }
        }
}

TEST(NearestCode, ByHand) {
  const Tensor c = Tensor::from<float>({0, 0, 4, 0, 0, 4}, {3, 2});
  const Tensor x = Tensor::from<float>({1, 1, 3, 1, 1, 3, 2.5, -9}, {4, 2});
  EXPECT_EQ(nearest_code(x, c).to_vector(), (std::vector<double>{0, 1, 2, 1}));
  // Halfway between codes 0 and 1, and a copy of code 1 at a later place: the first counts.
  const Tensor twins = Tensor::from<float>({0, 0, 4, 0, 4, 0}, {3, 2});
  EXPECT_EQ(nearest_code(Tensor::from<float>({2, 0, 4, 0}, {2, 2}), twins).to_vector(), (std::vector<double>{0, 1}));
}

TEST(NearestCode, FirstOfEqualCodes) {
  for (Dtype dtype : kDtypes)
    for (int64_t width : {7, 64, 512}) {
      const Tensor half = random_tensor({200, width}, dtype, 2), x = random_tensor({60, width}, dtype, 1);
      const Tensor twice = Tensor::empty({400, width}, dtype);
      twice.slice(0, 0, 200).copy_from(half);
      twice.slice(0, 200, 400).copy_from(half);
      EXPECT_TRUE(same_bytes(nearest_code(x, twice), nearest_code(x, half)));
    }
}

// Far from the origin a small step still decides: codes and rows on the integers, where every sum is exact.
TEST(NearestCode, LargeNorms) {
  const int64_t width = 16, codes = 64;
  const Tensor c = Tensor::full({codes, width}, 300);
  for (int64_t k = 0; k < codes; ++k) c.data<float>()[k * width + k % width] += float(k / width + 1);
  EXPECT_EQ(nearest_code(c, c).to_vector(), [] {
    std::vector<double> all;
    for (int i = 0; i < 64; ++i) all.push_back(i);
    return all;
  }());
}

TEST(NearestCode, ViewsEmptyAndThreads) {
  const Tensor wide = random_tensor({300, 80}, Dtype::f32, 1), c = random_tensor({80, 70}, Dtype::f32, 2);
  const Tensor x = wide.slice(1, 3, 73), book = random_tensor({70, 80}, Dtype::f32, 3).transpose(0, 1);
  EXPECT_TRUE(same_bytes(nearest_code(x, book), nearest_code(x.contiguous(), book.contiguous())));
  EXPECT_EQ(nearest_code(Tensor::empty({0, 70}), c).numel(), 0);
  expect_same_for_any_threads([&] { return nearest_code(x, c); });
}

TEST(NearestCode, Errors) {
  const Tensor x = Tensor::zeros({2, 3});
  expect_error([&] { nearest_code(x, Tensor::zeros({4, 5})); }, "x (N, C) and codebook (K, C), got (2, 3) and (4, 5)");
  expect_error([&] { nearest_code(x, Tensor::zeros({0, 3})); }, "codebook is empty");
  expect_error([&] { nearest_code(x, Tensor::zeros({4, 3}, Dtype::f64)); }, "codebook is f64");
}

}  // namespace
}  // namespace kg
