// The GRU over a packed batch: a product and a pointwise step for each time. Steps are counted in the order in which
// they are taken; states[k] is the state before step k.
#include "tensor/cpu/gru.h"
#include "tensor/dispatch.h"
#include "tensor/ops.h"

namespace kg {
namespace {

struct Sizes {
  int64_t batch, time, width;
};

Sizes check_gru(const Tensor& gates, const Tensor& weight, const Tensor& bias, const Tensor& h0,
                const Tensor& lengths) {
  CHECK(gates.defined() && gates.rank() == 3 && gates.size(2) % 3 == 0 && gates.numel() > 0,
        "[gru] gates must be (batch, time, 3 hidden)");
  const Sizes s{gates.size(0), gates.size(1), gates.size(2) / 3};
  const auto check = [&](const char* what, const Tensor& t, const Shape& shape) {
    CHECK(t.defined() && t.shape() == shape, "[gru] ", what, " must have shape ", shape, ", has ", t.shape());
    CHECK(t.dtype() == gates.dtype() && t.device() == gates.device(), "[gru] ", what, " is ", name_of(t.dtype()),
          " on ", t.device() == Device::cpu ? "the CPU" : "CUDA", ", unlike the gates");
  };
  check("weight", weight, {3 * s.width, s.width});
  check("bias", bias, {3 * s.width});
  check("h0", h0, {s.batch, s.width});
  CHECK(weight.is_contiguous() && bias.is_contiguous(), "[gru] weight and bias must be contiguous");
  CHECK(lengths.defined() && lengths.dtype() == Dtype::i32 && lengths.shape() == Shape{s.batch} &&
            lengths.is_contiguous() && lengths.device() == gates.device(),
        "[gru] lengths must be i32 (", s.batch, ") beside the gates");
  for (int64_t b = 0; lengths.device() == Device::cpu && b < s.batch; ++b) {
    const int32_t length = lengths.data<int32_t>()[b];
    CHECK(length >= 1 && length <= s.time, "[gru] length ", length, " of sample ", b, " is not in 1..", s.time);
  }
  return s;
}

// The samples up to the last one that has a time t: sorted by falling length, a batch costs no more than its steps.
// What is on a device is not waited for.
int64_t rows_at(const Tensor& lengths, int64_t t) {
  int64_t rows = lengths.size(0);
  if (lengths.device() == Device::cpu)
    while (rows > 0 && lengths.data<int32_t>()[rows - 1] <= t) --rows;
  return rows;
}

}  // namespace

GruResult gru(const Tensor& gates, const Tensor& weight, const Tensor& bias, const Tensor& h0, const Tensor& lengths,
              bool reverse) {
  const auto [batch, time, width] = check_gru(gates, weight, bias, h0, lengths);
  const Dtype dtype = gates.dtype(), accurate = accumulator(dtype);
  const Device device = gates.device();
  const Tensor x = gates.contiguous(), product = Tensor::empty({batch, 3 * width}, accurate, device);
  GruResult r;
  r.y = Tensor::empty({batch, time + 1, width}, dtype, device);
  r.states = Tensor::empty({time + 1, batch, width}, dtype, device);
  r.units = Tensor::empty({time, batch, 4 * width}, accurate, device);
  r.states.select(0, 0).copy_from(h0);
  for (int64_t k = 0; k < time; ++k) {
    const int64_t t = reverse ? time - 1 - k : k, rows = rows_at(lengths, t);
    const Tensor state = r.states.select(0, k);
    matmul_into(product.slice(0, 0, rows), state.slice(0, 0, rows), weight.transpose(0, 1), 0);
    DISPATCH(device, gru_step_forward, r.states.select(0, k + 1), r.y.select(1, t), r.units.select(0, k),
             x.select(1, t), product, bias, state, lengths, t);
  }
  r.y.select(1, time).copy_from(r.states.select(0, time));
  return r;
}

GruGradients gru_backward(const Tensor& gy, const GruResult& result, const Tensor& weight, const Tensor& lengths,
                          bool reverse) {
  const int64_t time = result.units.size(0), batch = result.y.size(0), width = result.y.size(2);
  CHECK(gy.defined() && gy.shape() == result.y.shape() && gy.dtype() == result.y.dtype(),
        "[gru_backward] gy must be like y, ", result.y.shape());
  const Tensor g = gy.contiguous();
  GruGradients grad;
  grad.gates = Tensor::empty({batch, time, 3 * width}, gy.dtype(), gy.device());
  grad.products = Tensor::empty({time, batch, 3 * width}, gy.dtype(), gy.device());
  grad.h0 = Tensor::empty({batch, width}, accumulator(gy.dtype()), gy.device());
  grad.h0.copy_from(g.select(1, time));
  for (int64_t k = time - 1; k >= 0; --k) {
    const int64_t t = reverse ? time - 1 - k : k, rows = rows_at(lengths, t);
    const Tensor products = grad.products.select(0, k);
    DISPATCH(gy.device(), gru_step_backward, grad.gates.select(1, t), products, grad.h0, g.select(1, t),
             result.units.select(0, k), result.states.select(0, k), lengths, t);
    matmul_into(grad.h0.slice(0, 0, rows), products.slice(0, 0, rows), weight, 1);
  }
  return grad;
}

}  // namespace kg
