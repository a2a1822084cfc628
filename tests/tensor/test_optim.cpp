// The optimiser's step on flat buffers by hand-computed values.
#include "tests/tensor/naive.h"

namespace kg {
namespace {

// The first step moves every weight by the learning rate against its gradient's sign; see Kingma and Ba 2015.
TEST(Adam, FirstStepsByHand) {
  for (Dtype dtype : {Dtype::f32, Dtype::f64}) {
    const double tolerance = dtype == Dtype::f64 ? 1e-9 : 1e-6;
    const Tensor p = Tensor::from<double>({1, -2, 3}, {3}).to(dtype),
                 g = Tensor::from<double>({4, -0.5, 0}, {3}).to(dtype);
    const Tensor m = zeros_like(p), v = zeros_like(p);
    AdamOptions o;
    o.lr = 0.1;
    adam_step(p, g, m, v, 1, o, 1);
    const Values first = p.to_vector();
    EXPECT_NEAR(first[0], 0.9, tolerance);
    EXPECT_NEAR(first[1], -1.9, tolerance * 10);  // eps counts: 1e-8 of 0.5
    EXPECT_EQ(first[2], 3);
    // The opposite gradient: m = 0.9 * 0.4 - 0.1 * 4 = -0.04, / (1 - 0.81);
    // v = 16 (0.001 * 0.999 + 0.001) / (1 - 0.998001)
    scale_(g, -1);
    adam_step(p, g, m, v, 2, o, 1);
    EXPECT_NEAR(p.to_vector()[0], 0.9 + 0.1 * (0.04 / 0.19) / 4, tolerance);
    EXPECT_NEAR(m.to_vector()[0], -0.04, tolerance);
    EXPECT_NEAR(v.to_vector()[0], 16 * 0.001999, tolerance);
  }
}
TEST(Adam, WeightDecayOfBothKindsAndTheGradientsScale) {
  const auto stepped = [](bool decoupled, double gradient, double scale) {
    const Tensor p = Tensor::full({1}, 2, Dtype::f64), zero = zeros_like(p);
    AdamOptions o;
    o.lr = 0.1, o.weight_decay = 0.5, o.decoupled = decoupled;
    adam_step(p, Tensor::full({1}, gradient, Dtype::f64), zero.clone(), zero.clone(), 1, o, scale);
    return p.item();
  };
  EXPECT_NEAR(stepped(true, 3, 1), 2 * 0.95 - 0.1, 1e-8);  // 2 (1 - lr wd), then a step of lr
  EXPECT_NEAR(stepped(true, 0, 1), 1.9, 1e-12);
  EXPECT_NEAR(stepped(false, 0, 1), 1.9, 1e-8);  // the decay is the gradient: a step of lr
  EXPECT_NEAR(stepped(false, -1, 1), 2, 1e-12);  // -1 + 0.5 * 2 = 0
  EXPECT_NEAR(stepped(false, -4, 0.25), 2, 1e-12);
}
TEST(Adam, Errors) {
  const Tensor p = Tensor::zeros({3});
  expect_error([&] { adam_step(p, p, p, p, 0, {}, 1); }, "[adam_step] step number must be at least 1, is 0");
  expect_error([&] { adam_step(p, Tensor::zeros({2}), p, p, 1, {}, 1); }, "must be contiguous and alike");
}

}  // namespace
}  // namespace kg
