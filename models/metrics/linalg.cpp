// Covariance and the symmetric eigenvalue problem.
#include "models/metrics/linalg.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "tensor/error.h"
#include "tensor/ops.h"

namespace kg {

Tensor metric_rows(const Tensor& x, const std::string& what, int64_t least) {
  CHECK_INPUT(x.defined() && x.rank() == 2, what, ": expected rows of vectors (N, D), got ",
              x.defined() ? x.shape() : Shape{0});
  CHECK_INPUT(x.size(0) >= least && x.size(1) > 0, what, ": ", x.size(0), " rows of ", x.size(1), " numbers, at least ",
              least, " rows are needed");
  const Tensor rows = x.to(Device::cpu).to(Dtype::f64).contiguous();
  const double* values = rows.data<double>();
  for (int64_t i = 0; i < rows.numel(); ++i)
    CHECK_INPUT(std::isfinite(values[i]), what, ": row ", i / rows.size(1), " is not finite");
  return rows;
}

void check_pairs(const Tensor& a, const Tensor& b, const std::string& what) {
  CHECK_INPUT(a.shape() == b.shape(), what, ": rows that belong together have the shapes ", a.shape(), " and ",
              b.shape());
}

Tensor unit_rows(const Tensor& rows, const std::string& what) {
  const Tensor unit = rows.clone();
  const int64_t d = unit.size(1);
  for (int64_t i = 0; i < unit.size(0); ++i) {
    double* row = unit.data<double>() + i * d;
    const double size = std::sqrt(std::inner_product(row, row + d, row, 0.));
    CHECK_INPUT(size > 0, what, ": row ", i, " is zero, which has no direction");
    for (int64_t j = 0; j < d; ++j) row[j] /= size;
  }
  return unit;
}

Moments moments_of(const Tensor& rows) {
  const int64_t n = rows.size(0), d = rows.size(1);
  CHECK_INPUT(n > 1, "[covariance] needs at least 2 rows, got ", n);
  const Tensor mean = kg::mean(rows, {0});
  const Tensor centred = sub(rows, mean);
  const Tensor covariance = Tensor::empty({d, d}, Dtype::f64);
  matmul_into(covariance, centred.transpose(0, 1), centred, 0);
  scale_(covariance, 1. / double(n - 1));
  return {mean, covariance};
}

namespace {

// A symmetric matrix as Q T Q^T with T tridiagonal: the diagonal, the elements beside it, and Q^T where wanted.
struct Tridiagonal {
  std::vector<double> diagonal, side;
  Tensor q;  // (n, n), row i is column i of Q
};

// H = 1 - v v^T maps x (n) to (+-|x|, 0, ...), with |v|^2 = 2; returns the new first element. v = 0 where x is there.
double reflect(const double* x, int64_t n, double* v) {
  double size = 0;
  for (int64_t i = 0; i < n; ++i) size = std::max(size, std::abs(x[i]));
  double rest = 0;
  for (int64_t i = 1; i < n; ++i) rest += size > 0 ? (x[i] / size) * (x[i] / size) : 0;
  if (rest == 0) {
    std::fill(v, v + n, 0.);
    return x[0];
  }
  const double first = x[0] / size, norm = std::sqrt(first * first + rest);
  const double sign = first < 0 ? -1 : 1;
  const double pivot = first + sign * norm;  // no cancellation
  const double factor = std::sqrt(2 / (pivot * pivot + rest));
  v[0] = pivot * factor;
  for (int64_t i = 1; i < n; ++i) v[i] = x[i] / size * factor;
  return -sign * norm * size;
}

// a -= v w^T + w v^T in the lower triangle of the n x n block at a.
void rank_two_update(double* a, int64_t stride, int64_t n, const double* v, const double* w) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j <= i; ++j) a[i * stride + j] -= v[i] * w[j] + w[i] * v[j];
}

// y = A x of the lower triangle of a symmetric block.
void symmetric_product(const double* a, int64_t stride, int64_t n, const double* x, double* y) {
  std::fill(y, y + n, 0.);
  for (int64_t i = 0; i < n; ++i) {
    const double* row = a + i * stride;
    double sum = row[i] * x[i];
    for (int64_t j = 0; j < i; ++j) {
      sum += row[j] * x[j];
      y[j] += row[j] * x[i];
    }
    y[i] += sum;
  }
}

Tridiagonal tridiagonal(const Tensor& x, bool vectors) {
  const int64_t n = x.size(0);
  const Tensor work = x.clone();
  double* a = work.data<double>();
  Tridiagonal result{std::vector<double>(size_t(n)), std::vector<double>(size_t(n), 0.), {}};
  std::vector<double> reflectors(size_t(n * n), 0.), column(static_cast<size_t>(n)), w(static_cast<size_t>(n));
  for (int64_t k = 0; k + 1 < n; ++k) {
    const int64_t m = n - k - 1;
    double* v = &reflectors[size_t(k * n + k + 1)];
    double* block = a + (k + 1) * n + k + 1;
    for (int64_t i = 0; i < m; ++i) column[size_t(i)] = a[(k + 1 + i) * n + k];
    result.diagonal[size_t(k)] = a[k * n + k];
    result.side[size_t(k)] = reflect(column.data(), m, v);
    symmetric_product(block, n, m, v, w.data());
    const double half = std::inner_product(v, v + m, w.begin(), 0.) / 2;
    for (int64_t i = 0; i < m; ++i) w[size_t(i)] -= half * v[i];
    rank_two_update(block, n, m, v, w.data());
  }
  result.diagonal[size_t(n - 1)] = a[n * n - 1];
  if (!vectors) return result;

  // Q = H_0 H_1 ...; its transpose row by row: each row r of Q^T becomes r - (r.v) v, the last reflector first.
  result.q = Tensor::zeros({n, n}, Dtype::f64);
  double* q = result.q.data<double>();
  for (int64_t i = 0; i < n; ++i) q[i * n + i] = 1;
  for (int64_t k = n - 2; k >= 0; --k) {
    const double* v = &reflectors[size_t(k * n)];
    for (int64_t i = k + 1; i < n; ++i) {
      double* row = q + i * n;
      const double along = std::inner_product(row + k + 1, row + n, v + k + 1, 0.);
      for (int64_t j = k + 1; j < n; ++j) row[j] -= along * v[j];
    }
  }
  return result;
}

// One implicit QR step on the block [low, high] of T, none of whose side elements is zero.
void qr_step(Tridiagonal& t, int64_t low, int64_t high) {
  std::vector<double>&d = t.diagonal, &e = t.side;
  const size_t last = size_t(high);
  const double half = (d[last - 1] - d[last]) / 2, side = e[last - 1];
  const double shift = d[last] - side * (side / (half + std::copysign(std::hypot(half, side), half)));
  double x = d[size_t(low)] - shift, z = e[size_t(low)];
  for (int64_t i = low; i < high; ++i) {
    const size_t k = size_t(i);
    const double r = std::hypot(x, z), c = r > 0 ? x / r : 1, s = r > 0 ? z / r : 0;
    if (i > low) e[k - 1] = r;
    const double a = d[k], b = e[k], g = d[k + 1];
    d[k] = c * c * a + 2 * c * s * b + s * s * g;
    d[k + 1] = s * s * a - 2 * c * s * b + c * c * g;
    e[k] = c * s * (g - a) + (c * c - s * s) * b;
    if (i + 1 < high) {
      x = e[k];
      z = s * e[k + 1];
      e[k + 1] *= c;
    }
    if (!t.q.defined()) continue;
    const int64_t n = t.q.size(0);
    double *first = t.q.data<double>() + i * n, *second = first + n;
    for (int64_t j = 0; j < n; ++j) {
      const double p = first[j], q = second[j];
      first[j] = c * p + s * q;
      second[j] = c * q - s * p;
    }
  }
}

}  // namespace

Eigen eigen_symmetric(const Tensor& x, bool vectors) {
  CHECK(x.rank() == 2 && x.size(0) == x.size(1) && x.size(0) > 0 && x.dtype() == Dtype::f64,
        "[eigen_symmetric] needs a square f64 matrix, got ", x.shape());
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  const int64_t n = x.size(0);
  for (const double value : x.to_vector())
    CHECK_INPUT(std::isfinite(value), "[eigen_symmetric] the matrix holds ", value, ", expected finite numbers");
  Tridiagonal t = tridiagonal(x.contiguous(), vectors);
  std::vector<double>&d = t.diagonal, &e = t.side;
  const auto negligible = [&](int64_t k) {
    return std::abs(e[size_t(k)]) <=
           kEpsilon * (std::abs(d[size_t(k)]) + std::abs(d[size_t(k + 1)])) + std::numeric_limits<double>::min();
  };
  int64_t steps = 0;
  for (int64_t high = n - 1; high > 0;) {
    if (negligible(high - 1)) {
      --high;
      continue;
    }
    int64_t low = high - 1;
    while (low > 0 && !negligible(low - 1)) --low;
    CHECK(++steps <= 60 * n, "[eigen_symmetric] no convergence after ", steps, " steps");  // two a value are usual
    qr_step(t, low, high);
  }

  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return d[size_t(a)] < d[size_t(b)]; });
  Eigen result;
  if (vectors) result.vectors = Tensor::empty({n, n}, Dtype::f64);
  for (int64_t i = 0; i < n; ++i) {
    result.values.push_back(d[size_t(order[size_t(i)])]);
    if (vectors) result.vectors.select(0, i).copy_from(t.q.select(0, order[size_t(i)]));
  }
  return result;
}

Tensor symmetric_root(const Tensor& x) {
  const Eigen eigen = eigen_symmetric(x);
  const int64_t n = x.size(0);
  const Tensor scaled = eigen.vectors.clone();  // rows times the fourth root: V^T sqrt(L) V = scaled^T scaled
  for (int64_t i = 0; i < n; ++i) {
    const double root = std::sqrt(std::sqrt(std::max(0., eigen.values[size_t(i)])));
    double* row = scaled.data<double>() + i * n;
    for (int64_t j = 0; j < n; ++j) row[j] *= root;
  }
  return matmul(scaled.transpose(0, 1), scaled);
}

}  // namespace kg
