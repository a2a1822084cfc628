// argmin_k |x - c_k|^2 = argmin_k |c_k|^2 - 2 x c_k: the products of a block of rows with all codes are one matrix
// product, and the norm of x, the same for all codes, is left out.
#include "tensor/cpu/quantize.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tensor/cpu/matmul.h"
#include "tensor/cpu/scratch.h"
#include "tensor/cpu/tiling.h"

namespace kg::cpu {
namespace {

constexpr int64_t kBlockRows = 128;

// The first of the smallest norms[k] - 2 products[k], which are written over `products`. All NaN: 0.
template <class T>
int32_t nearest(T* products, const T* norms, int64_t n) {
  T best = std::numeric_limits<T>::infinity();
#pragma omp simd reduction(min : best)
  for (int64_t k = 0; k < n; ++k) {
    products[k] = norms[k] - 2 * products[k];
    best = products[k] < best ? products[k] : best;
  }
  const T* found = std::find(products, products + n, best);
  return found == products + n ? 0 : int32_t(found - products);
}

}  // namespace

void nearest_code_forward(const Tensor& ids, const Tensor& x, const Tensor& codebook) {
  for_float(x.dtype(), "nearest_code", [&](auto zero) {
    using T = decltype(zero);
    const int64_t rows = x.size(0), codes = codebook.size(0), width = x.size(1);
    const T *xs = x.data<T>(), *c = codebook.data<T>();
    int32_t* out = ids.data<int32_t>();
    // Norms in double: they are compared with sums that another order of addition rounds differently.
    const Tensor norms = Tensor::empty({codes}, x.dtype());
    T* norm = norms.data<T>();
    parallel_for(codes, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)), [&](int64_t b, int64_t e) {
      for (int64_t k = b; k < e; ++k) {
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < width; ++i) sum += double(c[k * width + i]) * double(c[k * width + i]);
        norm[k] = T(sum);
      }
    });
    parallel_for(rows, kBlockRows, [&](int64_t b, int64_t e) {
      T* products = scratch<T>(Scratch::scores, (e - b) * codes);
      gemm_tile<T>(e - b, codes, width, {xs + b * width, width, 1}, {c, 1, width}, T(0), products, codes);
      for (int64_t r = b; r < e; ++r) out[r] = nearest(products + (r - b) * codes, norm, codes);
    });
  });
}

void code_use_forward(const Tensor& use, const Tensor& counts) {
  const std::vector<double> n_of = counts.to_vector();
  const double rows = std::max(1.0, std::accumulate(n_of.begin(), n_of.end(), 0.0));
  double entropy = 0, used = 0;
  for (double n : n_of) {
    const double p = n / rows;
    entropy -= p * std::log(p + 1e-7);
    used += n > 0;
  }
  use.data<double>()[0] = entropy;
  use.data<double>()[1] = used;
}

void update_codebook(const Tensor& codebook, const Tensor& code_sum, const Tensor& code_count, const Tensor& counts,
                     const Tensor& spare, bool average, bool reset, double reset_below) {
  const std::vector<double> count = (average ? code_count : counts).to_vector();
  for_float(codebook.dtype(), "update_codebook", [&](auto zero) {
    using T = decltype(zero);
    const int64_t width = codebook.size(1);
    for (size_t i = 0; i < count.size(); ++i) {
      T* code = codebook.data<T>() + int64_t(i) * width;
      if (reset && !(count[i] >= reset_below)) {
        std::copy_n(spare.data<T>() + int64_t(i) * width, width, code);
      } else if (average && count[i] > 1e-6) {
        const T scale = T(1 / count[i]);
        const T* sum = code_sum.data<T>() + int64_t(i) * width;
        for (int64_t c = 0; c < width; ++c) code[c] = scale * sum[c] + T(0);
      }
    }
  });
}

}  // namespace kg::cpu
