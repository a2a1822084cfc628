// Pointwise ops: checks, allocation and dispatch.
#include "tensor/cpu/pointwise.h"
#include "tensor/cpu/reduce.h"
#include "tensor/dispatch.h"
#include "tensor/ops.h"

namespace kg {
namespace {

void check_pair(const char* op, const Tensor& x, const Tensor& y) {
  CHECK(x.dtype() == y.dtype(), "[", op, "] operands are ", name_of(x.dtype()), " and ", name_of(y.dtype()),
        "; convert one with to()");
  CHECK(x.device() == y.device(), "[", op, "] operands are on different devices");
}

}  // namespace

#define KG_DEFINE_BACKWARD(Op, name)                                                  \
  Tensor name##_backward(const Tensor& gy, const Tensor& saved, double a, double b) { \
    const Tensor gx = Tensor::empty(gy.shape(), gy.dtype(), gy.device());             \
    if (gy.numel()) DISPATCH(gy.device(), name##_backward, gx, gy, saved, a, b);      \
    return gx;                                                                        \
  }
#define KG_DEFINE(Op, name)                                           \
  Tensor name(const Tensor& x) {                                      \
    const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device()); \
    if (x.numel()) DISPATCH(x.device(), name##_forward, y, x, 0, 0);  \
    return y;                                                         \
  }                                                                   \
  KG_DEFINE_BACKWARD(Op, name)
KG_UNARY_OPS(KG_DEFINE)
#undef KG_DEFINE
#define KG_DEFINE(Op, name)                                           \
  Tensor name(const Tensor& x, double a, double b) {                  \
    const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device()); \
    if (x.numel()) DISPATCH(x.device(), name##_forward, y, x, a, b);  \
    return y;                                                         \
  }                                                                   \
  KG_DEFINE_BACKWARD(Op, name)
KG_UNARY_CONST_OPS(KG_DEFINE)
#undef KG_DEFINE

#define KG_DEFINE(Op, name)                                                                                       \
  Tensor name(const Tensor& x, const Tensor& y) {                                                                 \
    check_pair(#name, x, y);                                                                                      \
    const Shape shape = broadcast_shapes(x.shape(), y.shape(), #name);                                            \
    const Tensor z = Tensor::empty(shape, x.dtype(), x.device());                                                 \
    if (z.numel()) DISPATCH(x.device(), name##_forward, z, x.expand(shape), y.expand(shape));                     \
    return z;                                                                                                     \
  }                                                                                                               \
  Tensor name##_backward_a(const Tensor& gz, const Tensor& x, const Tensor& y) {                                  \
    const Tensor gx = Tensor::empty(gz.shape(), gz.dtype(), gz.device());                                         \
    if (gz.numel()) DISPATCH(gz.device(), name##_backward_a, gx, gz, x.expand(gz.shape()), y.expand(gz.shape())); \
    return gx;                                                                                                    \
  }                                                                                                               \
  Tensor name##_backward_b(const Tensor& gz, const Tensor& x, const Tensor& y) {                                  \
    const Tensor gy = Tensor::empty(gz.shape(), gz.dtype(), gz.device());                                         \
    if (gz.numel()) DISPATCH(gz.device(), name##_backward_b, gy, gz, x.expand(gz.shape()), y.expand(gz.shape())); \
    return gy;                                                                                                    \
  }
KG_BINARY_OPS(KG_DEFINE)
#undef KG_DEFINE

void add_(const Tensor& target, const Tensor& x, double scale) {
  if (target.dtype() != accumulator(x.dtype()) || target.device() == Device::cpu) check_pair("add_", target, x);
  if (target.numel() == 0) return;
  target.bump_version();
  DISPATCH(target.device(), add_inplace, target, x.expand(target.shape()), scale);
}
void scale_(const Tensor& target, double factor) {
  if (target.numel() == 0) return;
  target.bump_version();
  DISPATCH(target.device(), scale_inplace, target, factor);
}
void lerp_(const Tensor& target, const Tensor& x, double weight) {
  check_pair("lerp_", target, x);
  if (target.numel() == 0) return;
  target.bump_version();
  DISPATCH(target.device(), lerp_inplace, target, x.expand(target.shape()), weight);
}

Tensor where(const Tensor& mask, const Tensor& x, const Tensor& y) {
  check_pair("where", x, y);
  CHECK(mask.dtype() == Dtype::u8, "[where] mask must be u8, is ", name_of(mask.dtype()));
  const Shape shape = broadcast_shapes(mask.shape(), broadcast_shapes(x.shape(), y.shape(), "where"), "where");
  const Tensor z = Tensor::empty(shape, x.dtype(), x.device());
  if (z.numel()) DISPATCH(x.device(), where_forward, z, mask.expand(shape), x.expand(shape), y.expand(shape));
  return z;
}
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  return where(mask, Tensor::scalar(value, x.dtype(), x.device()), x);
}
Tensor equal(const Tensor& x, const Tensor& y) {
  check_pair("equal", x, y);
  const Shape shape = broadcast_shapes(x.shape(), y.shape(), "equal");
  const Tensor z = Tensor::empty(shape, Dtype::u8, x.device());
  if (z.numel()) DISPATCH(x.device(), equal_forward, z, x.expand(shape), y.expand(shape));
  return z;
}

double max_abs_difference(const Tensor& x, const Tensor& y) {
  CHECK(x.shape() == y.shape(), "[max_abs_difference] shapes are ", x.shape(), " and ", y.shape());
  const auto a = x.to_vector(), b = y.to_vector();
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::fabs(a[i] - b[i]);
    if (!(d <= worst)) worst = d;  // NaN counts as the worst
    if (std::isnan(worst)) return worst;
  }
  return worst;
}

}  // namespace kg
