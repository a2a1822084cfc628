// Convolution and upsampling on the device against the CPU in f64: channels that are whole packs and that are not, one
// tap, taps of which the library can and cannot do an epilogue, views that begin anywhere.
#include "tests/cuda/compare.h"

namespace kg {
namespace {

using CudaConv = DeviceTest;

struct ConvCase {
  int64_t in, out, taps;
  Conv1dOptions options;
};
const std::vector<ConvCase> kCases{{8, 16, 3, {1, 1, 1}},  {263, 16, 3, {1, 1, 1}}, {16, 263, 3, {1, 1, 1}},
                                   {9, 7, 4, {2, 1, 1}},   {16, 8, 4, {2, 1, 1}},   {5, 3, 3, {1, 9, 9}},
                                   {16, 24, 1, {1, 0, 1}}, {7, 263, 1, {1, 0, 1}},  {7, 5, 1, {2, 0, 1}},
                                   {7, 5, 1, {1, 1, 1}},   {1, 1, 2, {1, 0, 1}}};

Tensor stored_kio(const Tensor& weight) { return conv1d_weight_layout(weight); }

TEST_F(CudaConv, AllPassesMatchTheCpu) {
  for (const Dtype dtype : kDeviceFloats)
    for (const ConvCase& c : kCases)
      for (const bool misaligned : {false, true}) {
        SCOPED_TRACE(std::string(name_of(dtype)) + " " + std::to_string(c.in) + " -> " + std::to_string(c.out) + ", " +
                     std::to_string(c.taps) + " taps, stride " + std::to_string(c.options.stride) +
                     (misaligned ? ", misaligned" : ""));
        const Twin x = random_twin({2, 21, c.in}, dtype, 1, misaligned);
        const Twin bias = random_twin({c.out}, dtype, 2, misaligned);
        Twin w = random_twin({c.out, c.in, c.taps}, dtype, 3);
        w = {stored_kio(w.cuda), stored_kio(w.cpu)};
        const double sums = dtype == Dtype::bf16 ? 0x1p-8 : 4e-6;
        const Tensor y = conv1d(x.cuda, w.cuda, bias.cuda, c.options), want = conv1d(x.cpu, w.cpu, bias.cpu, c.options);
        // A bias that is added by a kernel of its own finds y rounded.
        expect_within(y, want, 2 * sums, "y");
        expect_within(conv1d(x.cuda, w.cuda, {}, c.options), conv1d(x.cpu, w.cpu, {}, c.options), sums,
                      "y without bias");
        const Twin gy = random_twin(y.shape(), dtype, 4, misaligned);
        expect_within(conv1d_backward_input(gy.cuda, w.cuda, x.cuda.shape(), c.options),
                      conv1d_backward_input(gy.cpu, w.cpu, x.cpu.shape(), c.options), sums, "gx");
        for (const double beta : {0.0, 1.0}) {
          const Tensor g = stored_kio(Tensor::ones(w.cpu.shape(), Dtype::f32, Device::cuda)),
                       exact = stored_kio(Tensor::ones(w.cpu.shape(), Dtype::f64));
          conv1d_backward_weight(g, gy.cuda, x.cuda, c.options, beta);
          conv1d_backward_weight(exact, gy.cpu, x.cpu, c.options, beta);
          expect_within(g, exact, sums, "gweight");
        }
        if (HasFailure()) return;
      }
}

TEST_F(CudaConv, TheGradientOfOneTapIsNotRounded) {
  const Twin x = random_twin({2, 40, 8}, Dtype::bf16, 5), gy = random_twin({2, 40, 8}, Dtype::bf16, 6);
  const Tensor g = stored_kio(Tensor::zeros({8, 8, 1}, Dtype::f32, Device::cuda)),
               exact = stored_kio(Tensor::zeros({8, 8, 1}, Dtype::f64));
  conv1d_backward_weight(g, gy.cuda, x.cuda, {}, 0);
  conv1d_backward_weight(exact, gy.cpu, x.cpu, {}, 0);
  expect_within(g, exact, 1e-6, "gweight");
}

TEST_F(CudaConv, UpsamplingMatchesTheCpu) {
  for (const Dtype dtype : kDeviceFloats)
    for (const int64_t channels : {1, 3, 8, 16, 33, 264})
      for (const bool misaligned : {false, true})
        for (const int factor : {1, 2, 3}) {
          const Twin x = random_twin({2, 7, channels}, dtype, 7, misaligned);
          EXPECT_EQ(upsample_nearest(x.cuda, factor).to_vector(), upsample_nearest(x.cpu, factor).to_vector());
          const Twin gy = random_twin({2, 7 * factor, channels}, dtype, 8, misaligned);
          expect_within(upsample_nearest_backward(gy.cuda, factor), upsample_nearest_backward(gy.cpu, factor),
                        tolerance_of(dtype), std::to_string(channels) + " channels, factor " + std::to_string(factor));
        }
}

}  // namespace
}  // namespace kg
