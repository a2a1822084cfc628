// Products on CUDA in the forms that the op table has no row for: a decoding step's rows, accumulation, bf16 into f32.
#include <gtest/gtest.h>

#include "tensor/ops.h"
#include "tests/cuda/device_test.h"

namespace kg {
namespace {

using CudaMatmul = DeviceTest;

Tensor numbers(const Shape& shape, uint64_t stream, Dtype dtype) {
  const Tensor t = Tensor::empty(shape);
  fill_uniform(t, -1, 1, {21, stream});
  return t.to(dtype);
}
double largest(const Tensor& x) { return max_abs_difference(x, zeros_like(x)); }
double worst(const Tensor& got, const Tensor& want) {
  return max_abs_difference(got.to(Device::cpu).to(Dtype::f64), want);
}

TEST_F(CudaMatmul, RowsOfADecodingStep) {
  for (const auto& [x_dtype, w_dtype] :
       {std::pair{Dtype::f32, Dtype::f32}, {Dtype::f32, Dtype::bf16}, {Dtype::bf16, Dtype::bf16}})
    for (int64_t rows : {1, 3, 8, 9, 17})
      for (int64_t in : {1, 7, 64, 250}) {
        const int64_t out = in + 3;
        const Tensor x = numbers({rows, in}, 1, x_dtype), w = numbers({out, in}, 2, w_dtype),
                     b = numbers({out}, 3, x_dtype);
        const Tensor want = linear(x.to(Dtype::f64), w.to(Dtype::f64), b.to(Dtype::f64));
        const Tensor got = linear_rows(x.to(Device::cuda), w.to(Device::cuda), b.to(Device::cuda));
        EXPECT_LE(worst(got, want), (x_dtype == Dtype::f32 ? 1e-5 : 0x1p-8) * largest(want))
            << rows << " x " << in << " " << name_of(w_dtype);
        const Tensor alone = linear_rows(x.slice(0, rows - 1, rows).contiguous().to(Device::cuda), w.to(Device::cuda),
                                         b.to(Device::cuda));
        EXPECT_EQ(alone.to_vector(), got.slice(0, rows - 1, rows).to_vector());
      }
}

TEST_F(CudaMatmul, Bf16AccumulatesInF32) {
  const Tensor a = numbers({33, 65}, 4, Dtype::bf16), b = numbers({65, 31}, 5, Dtype::bf16);
  const Tensor out = Tensor::ones({33, 31}, Dtype::f32, Device::cuda);
  matmul_into(out, a.to(Device::cuda), b.to(Device::cuda), 1);
  const Tensor want = affine(matmul(a.to(Dtype::f64), b.to(Dtype::f64)), 1, 1);
  EXPECT_LE(worst(out, want), 1e-5);
  EXPECT_THROW(
      matmul_into(Tensor::zeros({33, 31}, Dtype::bf16, Device::cuda), numbers({33, 65}, 4, Dtype::f32).to(Device::cuda),
                  numbers({65, 31}, 5, Dtype::f32).to(Device::cuda), 0),
      Error);
}

TEST_F(CudaMatmul, GradientsOfALinearLayerWithTheBiasInOneProduct) {
  for (Dtype dtype : {Dtype::f32, Dtype::bf16})
    for (int64_t out : {1, 2, 33, 64})  // some products have no epilogue that sums
      for (int64_t rows : {1, 65}) {
        const Tensor gy = numbers({rows, out}, 7, dtype), x = numbers({rows, 31}, 8, dtype);
        const Tensor weight = Tensor::ones({out, 31}, Dtype::f32, Device::cuda),
                     exact = Tensor::ones({out, 31}, Dtype::f64);
        const Tensor bias = Tensor::ones({out}, Dtype::f32, Device::cuda), want = Tensor::ones({out}, Dtype::f64);
        for (double beta : {1, 0}) {
          linear_backward_weight(weight, bias, gy.to(Device::cuda), x.to(Device::cuda), beta);
          linear_backward_weight(exact, want, gy.to(Dtype::f64), x.to(Dtype::f64), beta);
          EXPECT_LE(worst(bias, want), 1e-5) << rows << " x " << out;
          EXPECT_LE(worst(weight, exact), 2e-5) << rows << " x " << out << ", beta " << beta;
        }
      }
}

// The gradients of several layers of one input, where an optimizer's buffer has them.
TEST_F(CudaMatmul, SeveralIntoOneBuffer) {
  for (Dtype dtype : {Dtype::f32, Dtype::bf16})
    for (double beta : {0, 1}) {
      const Tensor gy = numbers({65, 24}, 9, dtype), x = numbers({65, 31}, 10, dtype);
      const auto run = [&](const Tensor& flat, const Tensor& g, const Tensor& in) {
        const Tensor out = Tensor::view_of(flat.storage(), 0, {3, 8, 31}, {272, 31, 1}, flat.dtype());
        matmul_into(out, g.reshape({65, 3, 8}).permute({1, 2, 0}), in.unsqueeze(0).expand({3, 65, 31}), beta);
        return flat;
      };
      const Tensor got =
          run(Tensor::ones({3 * 272}, Dtype::f32, Device::cuda), gy.to(Device::cuda), x.to(Device::cuda));
      const Tensor want = run(Tensor::ones({3 * 272}, Dtype::f64), gy.to(Dtype::f64), x.to(Dtype::f64));
      EXPECT_LE(worst(got, want), 1e-5) << name_of(dtype) << ", beta " << beta;
    }
}

TEST_F(CudaMatmul, ViewsOfAFusedProjection) {
  const Tensor whole = numbers({4, 6, 30}, 6, Dtype::f32), there = whole.to(Device::cuda);
  const auto part = [](const Tensor& t) { return matmul(t.slice(2, 0, 10), t.slice(2, 10, 20).transpose(1, 2)); };
  EXPECT_LE(worst(part(there), part(whole.to(Dtype::f64))), 1e-5);
}

}  // namespace
}  // namespace kg
