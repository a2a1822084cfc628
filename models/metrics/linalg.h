// What the metrics need of linear algebra, in double precision: rows of vectors (N, D), their covariance, and the
// eigenvalues of symmetric matrices (n, n).
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

// x as contiguous f64 in host memory. An Error (input) that begins with `what` for another rank than 2, fewer rows than
// `least`, or a row that is not finite.
Tensor metric_rows(const Tensor& x, const std::string& what, int64_t least = 1);

// Two sets of rows that belong together: equally many, equally wide.
void check_pairs(const Tensor& a, const Tensor& b, const std::string& what);

inline double squared_distance(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}
inline double distance(const double* a, const double* b, int64_t n) { return std::sqrt(squared_distance(a, b, n)); }

// Rows divided by their length; a row of zeros, which has no direction, is an Error (input).
Tensor unit_rows(const Tensor& rows, const std::string& what);

// Mean (D) and covariance (D, D), divided by N - 1, of at least two rows.
struct Moments {
  Tensor mean, covariance;
};
Moments moments_of(const Tensor& rows);

// Eigenvalues, ascending, and where asked for the unit eigenvectors as ROWS of (n, n). Only the lower triangle of x is
// read. Householder's tridiagonal form, then QR steps with Wilkinson's shift (Golub & Van Loan, Matrix Computations,
// 8.3): absolute error of about 1e-15 of the largest eigenvalue.
struct Eigen {
  std::vector<double> values;
  Tensor vectors;
};
Eigen eigen_symmetric(const Tensor& x, bool vectors = true);

// The symmetric root of a symmetric positive semi-definite matrix; eigenvalues below 0 (rounding) count as 0.
Tensor symmetric_root(const Tensor& x);

}  // namespace kg
