// Eigenvalues, roots, covariance and intervals: by hand, against SciPy, and what must hold for any matrix.
#include "models/metrics/linalg.h"

#include "models/metrics/statistics.h"
#include "tensor/ops.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"
#include "tests/models/metrics/rows.h"

namespace kg {
namespace {

TEST(Eigen, SmallMatricesByHand) {
  const Eigen one = eigen_symmetric(Tensor::from<double>({-4}, {1, 1}));
  EXPECT_EQ(one.values, std::vector<double>{-4});
  EXPECT_EQ(one.vectors.item(), 1);
  const Eigen two = eigen_symmetric(Tensor::from<double>({2, 99, 1, 2}, {2, 2}));  // the upper triangle is not read
  EXPECT_NEAR(two.values[0], 1, 1e-15);
  EXPECT_NEAR(two.values[1], 3, 1e-15);
  const std::vector<double> v = two.vectors.to_vector();
  EXPECT_NEAR(v[0] * v[1], -.5, 1e-15);
  EXPECT_NEAR(v[2] * v[3], .5, 1e-15);
  EXPECT_EQ(eigen_symmetric(Tensor::zeros({5, 5}, Dtype::f64)).values, std::vector<double>(5, 0.));
}

TEST(Eigen, GoldenValues) {
  const Golden golden("metrics.safetensors");
  const Eigen eigen = eigen_symmetric(golden.get("eigen.matrix", Dtype::f64));
  EXPECT_LT(relative_error(Tensor::from(eigen.values, {23}), golden.get("eigen.values", Dtype::f64)), 1e-14);
}

// V A V^T = L, V V^T = 1; values of any size, many equal ones, and a singular matrix.
TEST(Eigen, VectorsDiagonaliseTheMatrix) {
  const auto check = [](const Tensor& a, double size) {
    const int64_t n = a.size(0);
    const Eigen eigen = eigen_symmetric(a);
    const Tensor product = matmul(matmul(eigen.vectors, a), eigen.vectors.transpose(0, 1)),
                 unit = matmul(eigen.vectors, eigen.vectors.transpose(0, 1));
    double worst = 0, worst_unit = 0;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) {
        const double value = i == j ? eigen.values[size_t(i)] : 0;
        worst = std::max(worst, std::abs(product.data<double>()[i * n + j] - value));
        worst_unit = std::max(worst_unit, std::abs(unit.data<double>()[i * n + j] - (i == j)));
      }
    EXPECT_LT(worst, 1e-13 * size);
    EXPECT_LT(worst_unit, 1e-13);
    EXPECT_TRUE(std::is_sorted(eigen.values.begin(), eigen.values.end()));
    const Eigen values_only = eigen_symmetric(a, false);
    EXPECT_EQ(values_only.values, eigen.values);
    EXPECT_FALSE(values_only.vectors.defined());
  };
  for (const double size : {1., 1e-150, 1e150}) {
    const Tensor x = random_rows(40, 40, 3);
    const Tensor a = add(x, x.transpose(0, 1));
    scale_(a, size);
    check(a, 20 * size);
  }
  check(moments_of(random_rows(6, 30, 4)).covariance, 10);  // rank 5
  const Tensor clustered = Tensor::zeros({30, 30}, Dtype::f64);
  for (int64_t i = 0; i < 30; ++i) clustered.data<double>()[i * 31] = i % 3;
  check(clustered, 2);
}

TEST(SymmetricRoot, SquaresToTheMatrix) {
  const Tensor covariance = moments_of(random_rows(12, 20, 5)).covariance;
  const Tensor root = symmetric_root(covariance);
  EXPECT_LT(relative_error(matmul(root, root), covariance), 1e-13);
}

TEST(Moments, ByHand) {
  const Moments moments = moments_of(Tensor::from<double>({1, 2, 3, 2, 5, 8}, {3, 2}));
  EXPECT_EQ(moments.mean.to_vector(), (std::vector<double>{3, 4}));
  EXPECT_EQ(moments.covariance.to_vector(), (std::vector<double>{4, 6, 6, 12}));
}

TEST(Interval, ByHand) {
  const Interval interval = interval_of({1, 2, 3, 6});
  EXPECT_DOUBLE_EQ(interval.mean, 3);
  EXPECT_DOUBLE_EQ(interval.half_width, 1.96 * std::sqrt(3.5) / 2);
  EXPECT_TRUE(std::isnan(interval_of({5}).half_width));
  EXPECT_EQ(interval_of({5, 5}).half_width, 0);
  EXPECT_NE(error_of(ErrorCode::input, [] { interval_of({}); }).find("no values"), std::string::npos);
  EXPECT_NE(error_of(ErrorCode::input, [] { interval_of({1, NAN}); }).find("value 1"), std::string::npos);
}

TEST(Linalg, BadInputIsNamed) {
  const Tensor nan = Tensor::from<double>({1, 2, NAN, 3}, {2, 2});
  EXPECT_NE(error_of(ErrorCode::input, [&] { metric_rows(nan, "[x] motions"); }).find("[x] motions: row 1"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorCode::input, [&] { eigen_symmetric(nan); }).find("nan"), std::string::npos);
  error_of(ErrorCode::input, [] { metric_rows(Tensor::zeros({3}), "x"); });
  error_of(ErrorCode::input, [] { metric_rows({}, "x"); });
  error_of(ErrorCode::input, [] { metric_rows(Tensor::zeros({1, 3}), "x", 2); });
  error_of(ErrorCode::input, [] { moments_of(Tensor::zeros({1, 3}, Dtype::f64)); });
  error_of(ErrorCode::runtime, [] { eigen_symmetric(Tensor::zeros({2, 3}, Dtype::f64)); });
}

}  // namespace
}  // namespace kg
