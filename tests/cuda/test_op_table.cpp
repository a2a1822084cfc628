// Every row of the op table on CUDA, against the f64 of the CPU: value and gradients, f32 and bf16, small sizes and
// sizes of several blocks, inputs and seeds in other layouts; and the same bytes from every run.
#include <gtest/gtest.h>

#include "tests/autograd/op_run.h"
#include "tests/cuda/device_test.h"

namespace kg {
namespace {

class CudaOps : public testing::TestWithParam<OpCase> {
 protected:
  void SetUp() override {
    if (const std::string problem = cuda_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
};

std::vector<Tensor> to_device(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> there;
  for (const Tensor& t : tensors) there.push_back(t.to(Device::cuda));
  return there;
}
// The values that a bf16 tensor can hold, so that only the computation is compared.
std::vector<Tensor> rounded(const std::vector<Tensor>& tensors, Dtype dtype) {
  std::vector<Tensor> r;
  for (const Tensor& t : tensors) r.push_back(t.to(dtype).to(Dtype::f64));
  return r;
}
std::vector<Tensor> in_dtype(const std::vector<Tensor>& tensors, Dtype dtype) {
  std::vector<Tensor> r;
  for (const Tensor& t : tensors) r.push_back(t.to(dtype));
  return r;
}
// The CPU's f64 with a seed that bf16 can hold.
std::vector<Tensor> oracle(const OpCase& op, const std::vector<Tensor>& inputs, Dtype dtype) {
  return run(op, inputs, [&](const Tensor& seed) { return seed.to(dtype).to(Dtype::f64); });
}

TEST_P(CudaOps, SingleIsWithinRoundingOfDouble) {
  for (bool large : {false, true}) {
    SCOPED_TRACE(large ? "large" : "small");
    const std::vector<Tensor> inputs = op_inputs(GetParam(), large, Dtype::f64);
    const std::vector<Tensor> got = run(GetParam(), to_device(in_dtype(inputs, Dtype::f32)));
    EXPECT_EQ(got[0].device(), Device::cuda);
    EXPECT_EQ(got[0].dtype(), Dtype::f32);
    expect_alike(got, run(GetParam(), inputs), 1e-5);
  }
}

TEST_P(CudaOps, Bf16IsWithinItsRounding) {
  for (bool large : {false, true}) {
    SCOPED_TRACE(large ? "large" : "small");
    const std::vector<Tensor> inputs = rounded(op_inputs(GetParam(), large, Dtype::f64), Dtype::bf16);
    const std::vector<Tensor> got = run(GetParam(), to_device(in_dtype(inputs, Dtype::bf16)));
    // 2^-9 for each rounding on the way, of which chains of ops have several
    expect_alike(got, oracle(GetParam(), inputs, got[0].dtype()), 0x1p-6);
  }
}

TEST_P(CudaOps, LayoutOfInputsAndOfTheSeedDoesNotMatter) {
  const std::vector<Tensor> inputs = to_device(op_inputs(GetParam(), false, Dtype::f32)),
                            want = run(GetParam(), inputs);
  for (Layout layout : {Layout::transposed, Layout::window}) {
    SCOPED_TRACE(layout == Layout::transposed ? "transposed" : "window");
    std::vector<Tensor> views;
    for (const Tensor& x : inputs) views.push_back(in_layout(x, layout));
    expect_alike(run(GetParam(), views), want, 1e-6);
    expect_alike(run(GetParam(), inputs, [&](const Tensor& seed) { return in_layout(seed, layout); }), want, 1e-6);
  }
}

TEST_P(CudaOps, EveryRunGivesTheSameBytes) {
  const std::vector<Tensor> inputs = to_device(op_inputs(GetParam(), true, Dtype::bf16));
  const auto values = [&] {
    std::vector<std::vector<double>> v;
    for (const Tensor& t : run(GetParam(), inputs)) v.push_back(t.to_vector());
    return v;
  };
  EXPECT_EQ(values(), values());
}

INSTANTIATE_TEST_SUITE_P(Table, CudaOps, testing::ValuesIn(op_cases()),
                         [](const auto& info) { return info.param.name(); });

}  // namespace
}  // namespace kg
