// Matrix products on the host, element by element, for the sizes of tests.
#include "tensor/cuda/blas.h"

#include <numeric>
#include <vector>

#include "tensor/parallel.h"
#include "tests/cuda_emulation/graph.h"
#include "tests/cuda_emulation/refusals.h"

namespace kg::cuda {
namespace {

bool tf32_on = false;

float load(const void* data, Dtype dtype, int64_t i) {
  return dtype == Dtype::f32 ? static_cast<const float*>(data)[i] : float(static_cast<const bf16*>(data)[i]);
}
void store(void* data, Dtype dtype, int64_t i, float value) {
  if (dtype == Dtype::f32)
    static_cast<float*>(data)[i] = value;
  else
    static_cast<bf16*>(data)[i] = bf16(value);
}
// (rows, cols) row-major in f32
std::vector<float> dense(const Operand& o, Dtype dtype, int64_t rows, int64_t cols, int64_t batch) {
  std::vector<float> m(size_t(rows * cols));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j)
      m[size_t(i * cols + j)] = load(o.data, dtype, batch * o.batch + (o.transposed ? j * o.line + i : i * o.line + j));
  return m;
}

// The emulated library sums rows only of some products, so that tests see callers do without.
bool sums_rows(const Gemm& g) { return g.epilogue == Epilogue::row_sums && g.m % 2 == 1; }
bool has_epilogue(const Gemm& g) {
  return !emulation::refusals().epilogues && (g.epilogue == Epilogue::bias || sums_rows(g));
}

void multiply(const Gemm& g, bool fused) {
  parallel_for(g.batches, 1, [&](int64_t first, int64_t last) {
    for (int64_t batch = first; batch < last; ++batch) {
      const std::vector<float> a = dense(g.a, g.in, g.m, g.k, batch), b = dense(g.b, g.in, g.k, g.n, batch);
      std::vector<float> row(size_t(g.n));
      for (int64_t i = 0; i < g.m; ++i) {
        if (fused && g.epilogue == Epilogue::row_sums) {
          const auto first = a.begin() + i * g.k;
          store(g.row_sums, g.out, i, std::accumulate(first, first + g.k, 0.0f));
        }
        std::fill(row.begin(), row.end(), 0.0f);
        for (int64_t p = 0; p < g.k; ++p) {
          const float x = a[size_t(i * g.k + p)];
          for (int64_t j = 0; j < g.n; ++j) row[size_t(j)] += x * b[size_t(p * g.n + j)];
        }
        for (int64_t j = 0; j < g.n; ++j) {
          const int64_t at = batch * g.batch + i * g.line + j;
          float y = row[size_t(j)];
          if (g.beta != 0) y += g.beta * load(g.c, g.out, at);
          if (fused && g.epilogue == Epilogue::bias) y += load(g.bias, g.out, j);
          store(g.c, g.out, at, y);
        }
      }
    }
  });
}

}  // namespace

bool gemm(const Gemm& g) {
  CHECK(reinterpret_cast<uintptr_t>(g.bias) % 16 == 0, "[emulation] a bias that cuBLASLt's kernels would misread: it ",
        "does not begin at a multiple of 16 bytes");
  const bool fused = has_epilogue(g);
  emulation::submit([g, fused] { multiply(g, fused); });
  return g.epilogue == Epilogue::none || fused;
}
void set_tf32(bool on) { tf32_on = on; }
bool tf32() { return tf32_on; }

}  // namespace kg::cuda
