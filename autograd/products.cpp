// The gradient table, its part of matrix products: matmul, linear layers, convolutions, GRU. Gradients of weights are
// products that end in the weight's gradient itself, where there is one.
#include <algorithm>

#include "autograd/functions.h"

namespace kg {
namespace {
// Of a bias at input i that was added to all rows of y.
void add_column_sums(Grads& gx, size_t i, const Tensor& gy) {
  if (!gx.needed(i)) return;
  const Grads::Room gb = gx.room(i, {gy.size(-1)}, gy);
  sum_into(gb.tensor, gy.flatten(0, -2), {0});
  gx.put(i, gb);
}
}  // namespace

Var matmul(const Var& a, const Var& b) {
  return record("matmul", matmul(a.value, b.value), {a, b}, [a = a.value, b = b.value](const Tensor& gy, Grads& gx) {
    if (gx.needed(0)) gx.add(0, matmul(gy, b.transpose(-1, -2)));
    if (gx.needed(1)) gx.add(1, matmul(a.transpose(-1, -2), gy));
  });
}
// y = x W^T + b: gx = gy W, gW = gy^T x (added straight into W's gradient), gb = the rows' sum
Var linear(const Var& x, const Var& weight, const Var& bias) {
  return record("linear", linear(x.value, weight.value, packed(bias.value)), {x, weight, bias},
                [x = x.value, w = weight.value](const Tensor& gy, Grads& gx) {
                  const Tensor g = gy.contiguous().reshape({-1, w.size(0)});
                  if (gx.needed(0)) gx.add(0, matmul(g, w).reshape(x.shape()));
                  if (!gx.needed(1)) return add_column_sums(gx, 2, g);
                  const Tensor rows = x.contiguous().reshape({-1, w.size(1)});
                  const auto [gw, beta] = gx.target(1, w);
                  if (!gx.needed(2)) return matmul_into(gw, g.transpose(0, 1), rows, beta);
                  const Grads::Room gb = gx.room(2, {w.size(0)}, g);
                  linear_backward_weight(gw, gb.tensor, g, rows, beta);
                  gx.put(2, gb);
                });
}
namespace {
// n matrices of one shape as (n, O, I) where they lie at one distance in one buffer; else undefined.
Tensor at_one_distance(const std::vector<Tensor>& m) {
  const int64_t step = m.size() > 1 ? m[1].offset() - m[0].offset() : m[0].numel();
  for (size_t i = 0; i < m.size(); ++i)
    if (m[i].storage() != m[0].storage() || m[i].dtype() != m[0].dtype() || !m[i].is_contiguous() ||
        m[i].offset() != m[0].offset() + int64_t(i) * step || step < m[i].numel())
      return {};
  const Shape& s = m[0].shape();
  return Tensor::view_of(m[0].storage(), m[0].offset(), {int64_t(m.size()), s[0], s[1]}, {step, s[1], 1}, m[0].dtype());
}

// Of weights at inputs 1, 2, ...: gW_i += gy_i^T x from rows gy (N, n O) and x (N, I). One product where the gradients
// lie at one distance, as those of equal layers do in an optimizer's buffer.
void add_weight_gradients(Grads& gx, const std::vector<Tensor>& weights, const Tensor& gy, const Tensor& x) {
  const int64_t n = int64_t(weights.size()), out = weights[0].size(0);
  const Tensor parts = gy.reshape({gy.size(0), n, out}).permute({1, 2, 0});  // (n, O, N)
  std::vector<Tensor> sums;
  std::vector<double> betas;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (!gx.needed(i + 1)) continue;
    const auto [sum, beta] = gx.target(i + 1, weights[i]);
    sums.push_back(sum), betas.push_back(beta);
  }
  const bool alike = int64_t(sums.size()) == n && std::equal(betas.begin() + 1, betas.end(), betas.begin());
  if (const Tensor all = alike ? at_one_distance(sums) : Tensor(); all.defined())
    return matmul_into(all, parts, x.unsqueeze(0).expand({n, x.size(0), x.size(1)}), betas[0]);
  size_t next = 0;
  for (size_t i = 0; i < weights.size(); ++i)
    if (gx.needed(i + 1)) matmul_into(sums[next], parts.select(0, int64_t(i)), x, betas[next]), ++next;
}
}  // namespace
// y = x W^T + b with W and b of all layers above each other, gathered for forward and backward.
Var linear_side_by_side(const Var& x, const std::vector<Var>& weights, const std::vector<Var>& biases) {
  const char* op = "linear_side_by_side";
  CHECK(!weights.empty() && (biases.empty() || biases.size() == weights.size()), "[", op, "] ", weights.size(),
        " weights and ", biases.size(), " biases");
  std::vector<Var> inputs{x};
  std::vector<Tensor> w, b;
  for (const Var& weight : weights) {
    CHECK(weight.rank() == 2 && weight.shape() == weights[0].shape(), "[", op, "] weights differ: ", weight.shape(),
          " and ", weights[0].shape());
    inputs.push_back(weight), w.push_back(weight.value);
  }
  const int64_t out = w[0].size(0);
  for (const Var& bias : biases) {
    CHECK(bias.defined() && bias.shape() == (Shape{out}), "[", op, "] biases must have ", out, " elements each");
    inputs.push_back(bias), b.push_back(bias.value);
  }
  const Tensor all = concat(w, 0), shift = b.empty() ? Tensor() : concat(b, 0);
  return record(op, linear(x.value, all, shift), inputs, [x = x.value, w, all](const Tensor& gy, Grads& gx) {
    const Tensor g = gy.contiguous().reshape({-1, all.size(0)});
    if (gx.needed(0)) gx.add(0, matmul(g, all).reshape(x.shape()));
    add_weight_gradients(gx, w, g, x.contiguous().reshape({-1, all.size(1)}));
    const size_t first = w.size() + 1;
    bool biased = false;
    for (size_t i = first; i < gx.size(); ++i) biased = biased || gx.needed(i);
    if (!biased) return;
    const Tensor sums = sum_accumulated(g, {0});
    for (size_t i = first; i < gx.size(); ++i) {
      const int64_t at = int64_t(i - first) * w[0].size(0);
      gx.add(i, sums.slice(0, at, at + w[0].size(0)));
    }
  });
}
namespace {
// Adds the gradient of a convolution's weight w to input 1's.
void add_weight_gradient(Grads& gx, const Tensor& w, const Tensor& gy, const Tensor& x, const Conv1dOptions& options) {
  if (!gx.needed(1)) return;
  const auto [gw, beta] = gx.target(1, w);
  if (gw.permute({2, 1, 0}).is_contiguous()) {
    conv1d_backward_weight(gw, gy, x, options, beta);
  } else {  // the weight has another layout elsewhere
    const Tensor part = conv1d_weight_layout(zeros_like(w));
    conv1d_backward_weight(part, gy, x, options, 0);
    beta == 0 ? gw.copy_from(part) : add_(gw, part);
  }
}
}  // namespace
Var conv1d(const Var& x, const Var& weight, const Var& bias, const Conv1dOptions& options) {
  return record("conv1d", conv1d(x.value, weight.value, bias.value, options), {x, weight, bias},
                [x = x.value, w = conv1d_weight_layout(weight.value), options](const Tensor& gy, Grads& gx) {
                  const Tensor g = gy.contiguous();
                  if (gx.needed(0)) gx.add(0, conv1d_backward_input(g, w, x.shape(), options));
                  add_weight_gradient(gx, w, g, x, options);
                  add_column_sums(gx, 2, g);
                });
}
// Forward and backward of conv1d change places, and so do x and gy in the weight's gradient.
Var conv_transpose1d(const Var& x, const Var& weight, const Var& bias, const Conv1dOptions& options) {
  const Tensor in = x.value.contiguous();
  return record("conv_transpose1d", conv_transpose1d(in, weight.value, packed(bias.value), options), {x, weight, bias},
                [in, w = conv1d_weight_layout(weight.value), options](const Tensor& gy, Grads& gx) {
                  const Tensor g = gy.contiguous();
                  if (gx.needed(0)) gx.add(0, conv1d(g, w, {}, options));
                  add_weight_gradient(gx, w, in, g, options);
                  add_column_sums(gx, 2, g);
                });
}
Var upsample_nearest(const Var& x, int factor) {
  return record("upsample_nearest", upsample_nearest(x.value, factor), {x}, [factor](const Tensor& gy, Grads& gx) {
    gx.add(0, upsample_nearest_backward(gy.contiguous(), factor));
  });
}

// The weight's gradient is that of one product over all steps.
GruStates gru(const Var& gates, const Var& weight, const Var& bias, const Var& h0, const Tensor& lengths,
              bool reverse) {
  const Tensor w = packed(weight.value);
  const GruResult r = gru(gates.value, w, packed(bias.value), h0.value, lengths, reverse);
  const Var y = record("gru", r.y, {gates, weight, bias, h0}, [r, w, lengths, reverse](const Tensor& gy, Grads& gx) {
    const GruGradients g = gru_backward(gy, r, w, lengths, reverse);
    const Tensor products = g.products.flatten(0, 1);
    gx.add(0, g.gates);
    if (gx.needed(1)) {
      const auto [gw, beta] = gx.target(1, w);
      const Tensor states = r.states.slice(0, 0, g.products.size(0)).flatten(0, 1);
      matmul_into(gw, products.transpose(0, 1), states, beta);
    }
    add_column_sums(gx, 2, products);
    if (gx.needed(3)) gx.add(3, g.h0.to(gy.dtype()));
  });
  const int64_t time = gates.size(1);
  return {slice(y, 1, 0, time), select(y, 1, time)};
}

}  // namespace kg
