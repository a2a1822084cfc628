// Convolutions on the host by their definition.
#include "tensor/cuda/dnn.h"

#include <vector>

#include "tensor/error.h"
#include "tests/cuda_emulation/graph.h"
#include "tests/cuda_emulation/refusals.h"

namespace kg::cuda {
namespace {

float load(const void* data, Dtype dtype, int64_t i) {
  return dtype == Dtype::f32 ? static_cast<const float*>(data)[i] : float(static_cast<const bf16*>(data)[i]);
}
void store(void* data, Dtype dtype, const std::vector<float>& values) {
  for (size_t i = 0; i < values.size(); ++i)
    if (dtype == Dtype::f32)
      static_cast<float*>(data)[i] = values[i];
    else
      static_cast<bf16*>(data)[i] = bf16(values[i]);
}

// fn(x's place, y's place, w's place) for every product of the convolution, without the innermost sum over channels.
template <class Fn>
void for_taps(const Conv& c, Fn fn) {
  for (int64_t b = 0; b < c.batch; ++b)
    for (int64_t t = 0; t < c.out_time; ++t)
      for (int64_t j = 0; j < c.taps; ++j) {
        const int64_t from = t * c.stride + j * c.dilation - c.padding;
        if (from >= 0 && from < c.time) fn((b * c.time + from) * c.in, (b * c.out_time + t) * c.out, j * c.in);
      }
}

// Whether there is an algorithm; data and channels must be as the real library takes them.
bool takes(const Conv& c, std::initializer_list<const void*> data) {
  for (const void* p : data)
    CHECK(reinterpret_cast<uintptr_t>(p) % 16 == 0,
          "[emulation] cuDNN takes no data that does not begin at a multiple ", "of 16 bytes");
  CHECK(c.in * size_of(c.dtype) % 16 == 0 && c.out * size_of(c.dtype) % 16 == 0,
        "[emulation] cuDNN has no fast kernel for ", c.in, " to ", c.out, " channels of ", name_of(c.dtype));
  return !emulation::refusals().convolutions;
}

}  // namespace

// The emulated library adds biases for some convolutions only, so that tests see callers do it.
ConvForward conv_forward(const Conv& c, const void* x, const void* w, const void* bias, void* y) {
  if (!takes(c, {x, w, bias, y})) return ConvForward::refused;
  const bool adds = bias && c.taps % 2 == 1;
  emulation::submit([=] {
    std::vector<float> sum(size_t(c.batch * c.out_time * c.out), 0.0f);
    for (size_t i = 0; adds && i < sum.size(); ++i) sum[i] = load(bias, c.dtype, int64_t(i) % c.out);
    for_taps(c, [&](int64_t px, int64_t py, int64_t pw) {
      for (int64_t o = 0; o < c.out; ++o)
        for (int64_t i = 0; i < c.in; ++i)
          sum[size_t(py + o)] += load(x, c.dtype, px + i) * load(w, c.dtype, o * c.taps * c.in + pw + i);
    });
    store(y, c.dtype, sum);
  });
  return !bias || adds ? ConvForward::done : ConvForward::without_bias;
}
bool conv_backward_input(const Conv& c, const void* gy, const void* w, void* gx) {
  if (!takes(c, {gy, w, gx})) return false;
  emulation::submit([=] {
    std::vector<float> sum(size_t(c.batch * c.time * c.in), 0.0f);
    for_taps(c, [&](int64_t px, int64_t py, int64_t pw) {
      for (int64_t o = 0; o < c.out; ++o)
        for (int64_t i = 0; i < c.in; ++i)
          sum[size_t(px + i)] += load(gy, c.dtype, py + o) * load(w, c.dtype, o * c.taps * c.in + pw + i);
    });
    store(gx, c.dtype, sum);
  });
  return true;
}
bool conv_backward_weight(const Conv& c, const void* gy, const void* x, void* gw) {
  if (!takes(c, {gy, x, gw})) return false;
  emulation::submit([=] {
    std::vector<float> sum(size_t(c.out * c.taps * c.in), 0.0f);
    for_taps(c, [&](int64_t px, int64_t py, int64_t pw) {
      for (int64_t o = 0; o < c.out; ++o)
        for (int64_t i = 0; i < c.in; ++i)
          sum[size_t(o * c.taps * c.in + pw + i)] += load(gy, c.dtype, py + o) * load(x, c.dtype, px + i);
    });
    store(gw, c.dtype, sum);
  });
  return true;
}

}  // namespace kg::cuda
