// 1-D convolution and upsampling: checks, allocation, dispatch.
#include "tensor/cpu/conv.h"
#include "tensor/dispatch.h"
#include "tensor/ops.h"

namespace kg {
namespace {

bool stored_kio(const Tensor& weight) { return weight.permute({2, 1, 0}).is_contiguous(); }

// Checks the arguments that all three passes share; gives T'.
int64_t check_conv(const char* op, const Shape& x, const Tensor& weight, const Conv1dOptions& o) {
  CHECK(x.rank() == 3, "[", op, "] x must be (batch, time, channels), has shape ", x);
  CHECK(weight.defined() && weight.rank() == 3, "[", op, "] weight must be (out, in, k)");
  CHECK(stored_kio(weight), "[", op, "] weight must be stored (k, in, out): pass it through conv1d_weight_layout()");
  CHECK(x[2] == weight.size(1), "[", op, "] x has ", x[2], " channels, weight of shape ", weight.shape(), " takes ",
        weight.size(1));
  CHECK(o.stride >= 1 && o.dilation >= 1 && o.padding >= 0, "[", op,
        "] needs stride and dilation >= 1 and padding >= 0, got ", o.stride, ", ", o.dilation, ", ", o.padding);
  CHECK(weight.size(2) >= 1, "[", op, "] weight has no taps, shape ", weight.shape());
  const int64_t span = o.dilation * (weight.size(2) - 1) + 1, padded = x[1] + 2 * int64_t(o.padding);
  CHECK(padded >= span, "[", op, "] ", x[1], " time steps and padding ", o.padding,
        " are shorter than the kernel's span of ", span);
  return (padded - span) / o.stride + 1;
}

void check_signal(const char* op, const char* what, const Tensor& t, const Shape& shape, Dtype dtype) {
  CHECK(t.shape() == shape, "[", op, "] ", what, " must have shape ", shape, ", has ", t.shape());
  CHECK(t.dtype() == dtype, "[", op, "] ", what, " is ", name_of(t.dtype()), ", expected ", name_of(dtype));
}

}  // namespace

Tensor conv1d_weight_layout(const Tensor& weight) {
  CHECK(weight.defined() && weight.rank() == 3, "[conv1d_weight_layout] weight must be (out, in, k)");
  return weight.permute({2, 1, 0}).contiguous().permute({2, 1, 0});
}

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options) {
  CHECK(x.defined(), "[conv1d] x is undefined");
  const int64_t time = check_conv("conv1d", x.shape(), weight, options), channels = weight.size(0);
  check_signal("conv1d", "weight", weight, weight.shape(), x.dtype());
  if (bias.defined()) check_signal("conv1d", "bias", bias, {channels}, x.dtype());
  const Tensor out = Tensor::empty({x.size(0), time, channels}, x.dtype(), x.device());
  DISPATCH(x.device(), conv1d_forward, out, x.contiguous(), weight, bias.defined() ? bias.contiguous() : bias, options);
  return out;
}

Tensor conv1d_backward_input(const Tensor& gy, const Tensor& weight, const Shape& x_shape,
                             const Conv1dOptions& options) {
  const int64_t time = check_conv("conv1d_backward_input", x_shape, weight, options);
  check_signal("conv1d_backward_input", "gy", gy, {x_shape[0], time, weight.size(0)}, weight.dtype());
  const Tensor gx = Tensor::empty(x_shape, gy.dtype(), gy.device());
  DISPATCH(gy.device(), conv1d_backward_input, gx, gy.contiguous(), weight, options);
  return gx;
}

void conv1d_backward_weight(const Tensor& out, const Tensor& gy, const Tensor& x, const Conv1dOptions& options,
                            double beta) {
  CHECK(x.defined(), "[conv1d_backward_weight] x is undefined");
  const int64_t time = check_conv("conv1d_backward_weight", x.shape(), out, options);
  check_signal("conv1d_backward_weight", "gy", gy, {x.size(0), time, out.size(0)}, x.dtype());
  CHECK(out.dtype() == x.dtype() || out.dtype() == accumulator(x.dtype()), "[conv1d_backward_weight] out is ",
        name_of(out.dtype()), ", x is ", name_of(x.dtype()));
  CHECK(beta == 0 || beta == 1, "[conv1d_backward_weight] beta must be 0 or 1, is ", beta);
  if (out.numel() == 0) return;
  out.bump_version();
  DISPATCH(x.device(), conv1d_backward_weight, out, gy.contiguous(), x.contiguous(), options, beta);
}

Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options) {
  CHECK(x.defined() && x.rank() == 3 && weight.defined() && weight.rank() == 3 && x.size(2) == weight.size(0),
        "[conv_transpose1d] needs x (batch, time, in) and weight (in, out, k), got ", x.defined() ? x.shape() : Shape(),
        " and ", weight.defined() ? weight.shape() : Shape());
  const int64_t span = options.dilation * (weight.size(2) - 1) + 1;
  const int64_t time = (x.size(1) - 1) * options.stride - 2 * int64_t(options.padding) + span;
  CHECK(x.size(1) > 0 && time > 0, "[conv_transpose1d] ", x.size(1), " time steps give ", time);
  const Tensor y = conv1d_backward_input(x, weight, {x.size(0), time, weight.size(1)}, options);
  if (bias.defined()) {
    check_signal("conv_transpose1d", "bias", bias, {weight.size(1)}, x.dtype());
    add_(y, bias);
  }
  return y;
}

Tensor upsample_nearest(const Tensor& x, int factor) {
  CHECK(x.defined() && x.rank() == 3, "[upsample_nearest] x must be (batch, time, channels)");
  CHECK(factor >= 1, "[upsample_nearest] factor must be at least 1, is ", factor);
  const Tensor out = Tensor::empty({x.size(0), x.size(1) * factor, x.size(2)}, x.dtype(), x.device());
  DISPATCH(x.device(), upsample_nearest_forward, out, x.contiguous(), factor);
  return out;
}

Tensor upsample_nearest_backward(const Tensor& gy, int factor) {
  CHECK(gy.defined() && gy.rank() == 3 && factor >= 1 && gy.size(1) % factor == 0,
        "[upsample_nearest_backward] gy must be (batch, time * ", factor, ", channels)");
  const Tensor gx = Tensor::empty({gy.size(0), gy.size(1) / factor, gy.size(2)}, gy.dtype(), gy.device());
  DISPATCH(gy.device(), upsample_nearest_backward, gx, gy.contiguous(), factor);
  return gx;
}

}  // namespace kg
