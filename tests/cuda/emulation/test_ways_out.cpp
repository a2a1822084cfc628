// What is done where a library refuses: the emulated ones are told to, and the results are held against the CPU.
#include "nn/distributed.h"
#include "tensor/cuda/candidates.h"
#include "tests/cuda/compare.h"
#include "tests/cuda_emulation/refusals.h"
#include "tools/common/train/captured_step.h"

namespace kg {
namespace {

using emulation::RefusalScope;
using tools::CapturedStep;

TEST(Candidates, TheFirstThatIsTakenStays) {
  cuda::Candidates<int> algorithms({1, 2, 3});
  std::vector<int> called;
  const auto call = [&](int algorithm) {
    called.push_back(algorithm);
    return algorithm > 1;
  };
  EXPECT_TRUE(algorithms.run(call));
  EXPECT_TRUE(algorithms.proven());
  EXPECT_TRUE(algorithms.run(call));
  EXPECT_EQ(called, (std::vector<int>{1, 2, 2}));
}
TEST(Candidates, NoneIsLeftWhenAllAreRefused) {
  cuda::Candidates<int> algorithms({1, 2});
  EXPECT_FALSE(algorithms.run([](int) { return false; }));
  EXPECT_TRUE(algorithms.empty());
  EXPECT_FALSE(algorithms.proven());
  EXPECT_FALSE(cuda::Candidates<int>().run([](int) { return true; }));
}
TEST(Candidates, AnErrorIsNoRefusal) {
  cuda::Candidates<int> algorithms({1, 2});
  EXPECT_THROW(algorithms.run([](int) -> bool { fail(ErrorCode::runtime, "the device is gone"); }), Error);
  EXPECT_EQ(algorithms.left(), (std::vector<int>{1, 2}));
}

TEST(WaysOut, ABiasThatTheProductDoesNotAddIsAdded) {
  for (const bool refused : {false, true})
    for (const Dtype dtype : kDeviceFloats)
      for (const bool misaligned : {false, true}) {
        const RefusalScope scope({.epilogues = refused});
        const Twin x = random_twin({5, 7}, dtype, 1), w = random_twin({9, 7}, dtype, 2),
                   b = random_twin({9}, dtype, 3, misaligned);
        expect_within(linear(x.cuda, w.cuda, b.cuda), linear(x.cpu, w.cpu, b.cpu), 2 * tolerance_of(dtype), "y");
      }
}

TEST(WaysOut, RowSumsThatTheProductDoesNotGiveAreTaken) {
  const RefusalScope scope({.epilogues = true});
  for (const Dtype dtype : kDeviceFloats) {
    const Twin gy = random_twin({65, 33}, dtype, 4), x = random_twin({65, 8}, dtype, 5);
    const Tensor weight = Tensor::ones({33, 8}, Dtype::f32, Device::cuda), exact = Tensor::ones({33, 8}, Dtype::f64);
    const Tensor bias = Tensor::full({33}, 7, Dtype::f32, Device::cuda), exact_bias = Tensor::full({33}, 7, Dtype::f64);
    linear_backward_weight(weight, bias, gy.cuda, x.cuda, 1);
    linear_backward_weight(exact, exact_bias, gy.cpu, x.cpu, 1);
    expect_within(bias, exact_bias, 1e-5, "gbias");
    expect_within(weight, exact, 1e-5, "gweight");
  }
}

struct Case {
  int64_t in, out, taps;
  Conv1dOptions options;
};
const std::vector<Case> kCases{{8, 16, 3, {1, 1, 1}}, {9, 7, 4, {2, 1, 1}}, {16, 8, 4, {2, 1, 1}},
                               {5, 3, 3, {1, 9, 9}},  {8, 8, 3, {3, 0, 2}}, {7, 5, 1, {2, 0, 1}},
                               {7, 5, 1, {1, 1, 1}},  {1, 1, 2, {1, 0, 1}}, {33, 40, 3, {1, 1, 1}}};

TEST(WaysOut, ConvolutionsWithoutAnAlgorithmAreProducts) {
  const RefusalScope scope({.convolutions = true});
  for (const Dtype dtype : kDeviceFloats)
    for (const Case& c : kCases)
      for (const bool misaligned : {false, true}) {
        SCOPED_TRACE(std::string(name_of(dtype)) + " " + std::to_string(c.in) + " -> " + std::to_string(c.out) + ", " +
                     std::to_string(c.taps) + " taps, stride " + std::to_string(c.options.stride) +
                     (misaligned ? ", misaligned" : ""));
        const Twin x = random_twin({2, 21, c.in}, dtype, 6, misaligned),
                   bias = random_twin({c.out}, dtype, 7, misaligned);
        Twin w = random_twin({c.out, c.in, c.taps}, dtype, 8);
        w = {conv1d_weight_layout(w.cuda), conv1d_weight_layout(w.cpu)};
        const double sums = dtype == Dtype::bf16 ? 0x1p-8 : 4e-6;
        const Tensor y = conv1d(x.cuda, w.cuda, bias.cuda, c.options);
        expect_within(y, conv1d(x.cpu, w.cpu, bias.cpu, c.options), sums, "y");
        const Twin gy = random_twin(y.shape(), dtype, 9, misaligned);
        expect_within(conv1d_backward_input(gy.cuda, w.cuda, x.cuda.shape(), c.options),
                      conv1d_backward_input(gy.cpu, w.cpu, x.cpu.shape(), c.options), sums, "gx");
        for (const double beta : {0.0, 1.0}) {
          const Tensor g = conv1d_weight_layout(Tensor::ones(w.cpu.shape(), Dtype::f32, Device::cuda)),
                       exact = conv1d_weight_layout(Tensor::ones(w.cpu.shape(), Dtype::f64));
          conv1d_backward_weight(g, gy.cuda, x.cuda, c.options, beta);
          conv1d_backward_weight(exact, gy.cpu, x.cpu, c.options, beta);
          expect_within(g, exact, 4e-6, "gweight");  // the product is not rounded to bf16
        }
        if (HasFailure()) return;
      }
}

// y += dropout(x) some times, and what it left in y and in the generator.
struct Steps {
  std::vector<double> values;
  uint64_t position;
  std::string said;
  bool operator==(const Steps& other) const { return values == other.values && position == other.position; }
};
Steps take_steps(bool capture, int steps = 5) {
  default_generator() = {7, 100};
  const Tensor x = Tensor::ones({64}, Dtype::f32, Device::cuda), y = Tensor::zeros({64}, Dtype::f32, Device::cuda);
  CapturedStep step(Device::cuda, capture, "the test");
  testing::internal::CaptureStderr();
  for (int i = 0; i < steps; ++i)
    step.run({x}, [&](const std::vector<Tensor>& in) {
      add_(y, dropout(in[0], 0.5, default_generator().next()));
      scale_(y, 1.5);
      return std::vector<Tensor>{y};
    });
  const std::string said = testing::internal::GetCapturedStderr();
  return {y.to_vector(), default_generator().position, said};
}

TEST(WaysOut, ACaptureThatFailsHalfWayLeavesTheStepAsItIs) {
  const Steps want = take_steps(false);
  EXPECT_EQ(take_steps(true), want);
  EXPECT_EQ(take_steps(true).said, "");
  for (const int64_t launches : {0, 1, 2}) {
    const RefusalScope scope({.launches_captured = launches});
    const Steps got = take_steps(true);
    EXPECT_EQ(got, want) << launches;
    EXPECT_NE(got.said.find("the test: the step runs without a CUDA graph"), std::string::npos) << got.said;
    EXPECT_EQ(got.said.find("CUDA graph"), got.said.rfind("CUDA graph")) << "it is said once: " << got.said;
  }
}

// Two processes of which this is one; the other has something to say once, at sum `failing_sum`.
class TwoRanks : public ProcessGroup {
 public:
  TwoRanks(bool on_device, int failing_sum) : on_device_(on_device), failing_sum_(failing_sum) {}
  int size() const override { return 2; }
  void all_reduce_sum(const Tensor& t) override {
    add_(t, Tensor::full(t.shape(), sums_++ == failing_sum_, t.dtype()));
  }
  bool sums_on_device() const override { return on_device_; }
  int sums() const { return sums_; }

 private:
  bool on_device_;
  int failing_sum_, sums_ = 0;
};

TEST(WaysOut, RanksCaptureTogetherOrNotAtAll) {
  const Steps want = take_steps(false);
  for (const bool on_device : {false, true}) {
    TwoRanks ranks(on_device, -1);
    const WorldScope scope(ranks);
    EXPECT_EQ(take_steps(true), want) << on_device;
    // Two steps: whether all have a graph, and whether all can have one; the third: and whether all captured it; then
    // whether all have one.
    EXPECT_EQ(ranks.sums(), on_device ? 2 * 2 + 3 + 2 : 0);
  }
  TwoRanks behind(true, 7);  // the fourth step: the other has no graph, though it could
  {
    const WorldScope scope(behind);
    EXPECT_EQ(take_steps(true), want);
    EXPECT_EQ(behind.sums(), 2 * 2 + 3 + 3 + 1) << "captured anew, together";
  }
  TwoRanks ranks(true, 6);  // what came of the capture
  const WorldScope scope(ranks);
  const Steps got = take_steps(true);
  EXPECT_EQ(got, want);
  EXPECT_NE(got.said.find("another process could not capture it"), std::string::npos) << got.said;
}

}  // namespace
}  // namespace kg
