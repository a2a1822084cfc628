// The optimiser step on CUDA beside the CPU's, with a scale on the device and a rounded copy on either.
#include <limits>

#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaOptim = DeviceTest;
constexpr AdamOptions kOptions{.lr = 0.01, .weight_decay = 0.1};

struct State {
  Tensor p, g, m, v;
};
State state(int64_t n) {
  return {random_values({n}, 1, Dtype::f32), random_values({n}, 2, Dtype::f32), random_values({n}, 3, Dtype::f32),
          square(random_values({n}, 4, Dtype::bf16))};
}

TEST_F(CudaOptim, StepsAreThoseOfTheCpu) {
  for (bool decoupled : {true, false})
    for (int64_t n : kEdges)
      for (int64_t shift : {0, 1}) {
        AdamOptions options = kOptions;
        options.decoupled = decoupled;
        const State cpu = state(n);
        const State cuda{on_device(cpu.p, Dtype::f32, shift), on_device(cpu.g, Dtype::f32),
                         on_device(cpu.m, Dtype::f32), on_device(cpu.v, Dtype::f32)};
        for (int64_t t : {3, 4}) {
          adam_step(cpu.p, cpu.g, cpu.m, cpu.v, t, options, 0.5);
          adam_step(cuda.p, cuda.g, cuda.m, cuda.v, t, options, 0.5);
        }
        expect_within(cuda.p, cpu.p, 1e-6, "parameters");
        expect_within(cuda.m, cpu.m, 1e-6, "first moments");
        expect_within(cuda.v, cpu.v, 1e-6, "second moments");
      }
}

// p = 1, g = 2 halved twice, m = v = 0, first step: m / v^(1/2) is 1, so p becomes 1 (1 - 0.01 0.1) - 0.01.
TEST_F(CudaOptim, ScaleMultipliesTheGradientAndHalfIsTheRoundedValue) {
  for (Device device : {Device::cpu, Device::cuda})
    for (int64_t n : {4, 5}) {
      const auto filled = [&](double value) { return Tensor::full({n}, value, Dtype::f32, device); };
      const Tensor p = filled(1), g = filled(2), m = filled(0), v = filled(0);
      const Tensor half = Tensor::zeros({n}, Dtype::bf16, device);
      adam_step(p, g, m, v, 1, kOptions, 0.5, Tensor::scalar(0.5, Dtype::f32, device), half);
      expect_within(m.to(Device::cpu), Tensor::full({n}, 0.05), 1e-6, "m: 0.1 * 0.5");
      expect_within(p.to(Device::cpu), Tensor::full({n}, 0.989), 1e-6, "p");
      EXPECT_EQ(half.to_vector(), p.to(Dtype::bf16).to_vector());
      EXPECT_EQ(half.to_vector()[0], 0.98828125);
    }
}
TEST_F(CudaOptim, AScaleThatIsNotFiniteChangesNothing) {
  for (Device device : {Device::cpu, Device::cuda})
    for (double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      const auto filled = [&](double value) { return Tensor::full({6}, value, Dtype::f32, device); };
      const Tensor p = filled(1), m = filled(2), v = filled(3), half = Tensor::full({6}, 4, Dtype::bf16, device);
      adam_step(p, filled(5), m, v, 1, kOptions, 1, Tensor::scalar(bad, Dtype::f32, device), half);
      EXPECT_EQ(p.to_vector(), std::vector<double>(6, 1));
      EXPECT_EQ(m.to_vector(), std::vector<double>(6, 2));
      EXPECT_EQ(v.to_vector(), std::vector<double>(6, 3));
      EXPECT_EQ(half.to_vector(), std::vector<double>(6, 4));
    }
}

}  // namespace
}  // namespace kg
