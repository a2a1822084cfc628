#include "tests/autograd/composed.h"

#include <cmath>
#include <numeric>

namespace kg::composed {
namespace {

Tensor like(const Tensor& t, const Var& x) { return t.to(x.dtype()).to(x.value.device()); }

// (n): 0, 1, 2, ...
Tensor counting(int64_t n, const Tensor& like) {
  std::vector<int32_t> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return Tensor::from(numbers, {n}).to(like.device());
}
// ids (...) -> (..., n): 1 where the last index is the id
Var one_hot(const Tensor& ids, int64_t n, const Var& x) { return like(equal(ids.unsqueeze(-1), counting(n, ids)), x); }
// (rows, columns): f(i, j)
Var matrix(int64_t rows, int64_t columns, const Var& x, const std::function<double(int64_t, int64_t)>& f) {
  std::vector<double> values;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) values.push_back(f(i, j));
  return like(Tensor::from(values, {rows, columns}), x);
}
Var one_minus(const Var& x) { return affine(x, -1, 1); }
Var unsqueeze(const Var& x, int axis) { return reshape(x, x.value.unsqueeze(axis).shape()); }
Var largest(const Var& x) { return detach(max(x, -1, true)); }  // of each row; it cancels out of what it is used for

}  // namespace

Var masked_fill(const Var& x, const Tensor& mask, double value) {
  const Var hidden = like(mask, x);
  return x * one_minus(hidden) + hidden * value;
}
Var mean(const Var& x, const std::vector<int>& axes, bool keepdim) {
  const Var y = sum(x, axes, keepdim);
  return y * (double(y.numel()) / double(x.numel()));
}
Var cumsum(const Var& x, int axis) {
  const int64_t n = x.size(axis);
  const Var upper = matrix(n, n, x, [](int64_t j, int64_t i) { return j <= i; });
  return transpose(matmul(transpose(x, axis, -1), upper), axis, -1);
}
std::vector<Var> split(const Var& x, int axis, int64_t size) {
  std::vector<Var> parts;
  for (int64_t n = x.size(axis), at = 0; at < n; at += size)
    parts.push_back(slice(x, axis, at, std::min(at + size, n)));
  return parts;
}

// ---- indexing, as products with ones where an index points
Var embedding(const Var& weight, const Tensor& ids) {
  const Var rows = matmul(one_hot(ids.reshape({-1}), weight.size(0), weight), weight);
  Shape shape = ids.shape();
  shape.push_back(weight.size(1));
  return reshape(rows, shape);
}
Var index_select(const Var& x, int axis, const Tensor& ids) {
  const Var chosen = transpose(one_hot(ids, x.size(axis), x), 0, 1);
  return transpose(matmul(transpose(x, axis, -1), chosen), axis, -1);
}
Var gather(const Var& x, int axis, const Tensor& index) {
  const Var chosen = one_hot(index.transpose(axis, -1), x.size(axis), x);  // (..., m, n)
  return transpose(sum(unsqueeze(transpose(x, axis, -1), -2) * chosen, {-1}), axis, -1);
}
Var scatter_add(const Shape& shape, int axis, const Tensor& index, const Var& values) {
  const Var chosen = one_hot(index.transpose(axis, -1), shape[wrap_axis(axis, shape.rank(), "row")], values);
  return transpose(sum(unsqueeze(transpose(values, axis, -1), -1) * chosen, {-2}), axis, -1);
}

// ---- linear, convolution
Var linear(const Var& x, const Var& weight, const Var& bias) {
  Shape shape = x.shape();
  shape[x.rank() - 1] = weight.size(0);
  const Var y = reshape(matmul(reshape(x, {-1, x.size(-1)}), transpose(weight, 0, 1)), shape);
  return bias.defined() ? y + bias : y;
}
Var linear_side_by_side(const Var& x, const std::vector<Var>& weights, const std::vector<Var>& biases) {
  std::vector<Var> parts;
  for (size_t i = 0; i < weights.size(); ++i)
    parts.push_back(composed::linear(x, weights[i], biases.empty() ? Var() : biases[i]));
  return concat(parts, -1);
}

namespace {
// (T', T): 1 where frame t of the longer signal is what tap j of output t' reads.
Var tap(int64_t outputs, int64_t inputs, int64_t j, const Conv1dOptions& o, const Var& x) {
  return matrix(outputs, inputs, x,
                [&](int64_t to, int64_t t) { return t == to * o.stride - o.padding + j * o.dilation; });
}
}  // namespace
Var conv1d(const Var& x, const Var& weight, const Var& bias, const Conv1dOptions& o) {
  const int64_t taps = weight.size(2), reach = o.dilation * (taps - 1) + 1;
  const int64_t time = (x.size(1) + 2 * o.padding - reach) / o.stride + 1;
  Var y = bias.defined() ? bias : Var(like(Tensor::scalar(0), x));
  for (int64_t j = 0; j < taps; ++j)
    y = y + matmul(matmul(tap(time, x.size(1), j, o, x), x), transpose(select(weight, 2, j), 0, 1));
  return y;
}
Var conv_transpose1d(const Var& x, const Var& weight, const Var& bias, const Conv1dOptions& o) {
  const int64_t taps = weight.size(2), reach = o.dilation * (taps - 1) + 1;
  const int64_t time = (x.size(1) - 1) * o.stride - 2 * o.padding + reach;
  Var y = bias.defined() ? bias : Var(like(Tensor::scalar(0), x));
  for (int64_t j = 0; j < taps; ++j)
    y = y + matmul(transpose(tap(x.size(1), time, j, o, x), 0, 1), matmul(x, select(weight, 2, j)));
  return y;
}
Var upsample_nearest(const Var& x, int factor) {
  const int64_t b = x.size(0), t = x.size(1), c = x.size(2);
  return reshape(expand(reshape(x, {b, t, 1, c}), {b, t, factor, c}), {b, t * factor, c});
}

// ---- softmax, losses, norms
Var softmax(const Var& x) {
  const Var e = exp(x - largest(x));
  return e / sum(e, {-1}, true);
}
Var log_softmax(const Var& x) {
  const Var shifted = x - largest(x);
  return shifted - log(sum(exp(shifted), {-1}, true));
}
Var cross_entropy(const Var& logits, const Tensor& target, int ignore_index, double smoothing) {
  const Var log_p = composed::log_softmax(logits), wanted = one_hot(target, logits.size(1), logits);
  const Tensor ignored = equal(target, Tensor::scalar(ignore_index, Dtype::i32, target.device()));
  const Var loss = -((1 - smoothing) * sum(wanted * log_p, {-1}) + smoothing * composed::mean(log_p, {-1}));
  return one_minus(like(ignored, logits)) * loss;
}
Var layer_norm(const Var& x, const Var& weight, const Var& bias, double eps) {
  const Var centred = x - composed::mean(x, {-1}, true);
  return centred * rsqrt(composed::mean(square(centred), {-1}, true) + eps) * weight + bias;
}
Var rms_norm(const Var& x, const Var& weight, double eps) {
  return x * rsqrt(composed::mean(square(x), {-1}, true) + eps) * weight;
}
ResidualNormed add_dropout_norm(const Var& x, const Var& branch, double p, bool training, const Var& weight,
                                const Var& bias, double eps) {
  const Var sum = x + composed::dropout(branch, p, training);
  return {sum, composed::layer_norm(sum, weight, bias, eps)};
}

// ---- GRU, step by step
namespace {
// u8 (B, 1): which samples have no time t.
Tensor ended(const Tensor& lengths, int64_t t) {
  std::vector<uint8_t> over;
  for (double n : lengths.to_vector()) over.push_back(double(t) >= n);
  return Tensor::from(over, {lengths.size(0), 1}).to(lengths.device());
}
}  // namespace
GruStates gru(const Var& gates, const Var& weight, const Var& bias, const Var& h0, const Tensor& lengths,
              bool reverse) {
  const int64_t time = gates.size(1), width = h0.size(1);
  const Var zero = like(Tensor::scalar(0), gates);
  Var h = h0;
  std::vector<Var> states(static_cast<size_t>(time));
  for (int64_t step = 0; step < time; ++step) {
    const int64_t t = reverse ? time - 1 - step : step;
    const Var x = select(gates, 1, t), u = matmul(h, transpose(weight, 0, 1)) + bias;
    const auto part = [&](const Var& v, int i) { return slice(v, 1, i * width, (i + 1) * width); };
    const Var r = sigmoid(part(x, 0) + part(u, 0)), z = sigmoid(part(x, 1) + part(u, 1));
    const Var n = tanh(part(x, 2) + r * part(u, 2));
    const Var next = one_minus(z) * n + z * h;
    const Tensor over = ended(lengths, t);
    states[size_t(t)] = where(over, zero, next);
    h = where(over, h, next);
  }
  return {stack(states, 1), h};
}

// ---- dropout, attention, quantisation
Var dropout(const Var& x, double p, bool training) {
  if (!training || p == 0) return x;
  return x * Var(kg::dropout(Tensor::ones(x.shape(), x.dtype(), x.value.device()), p, default_generator().next()));
}
Var attention(const Var& q, const Var& k, const Var& v, const AttentionOptions& o, const Var& bias) {
  const auto heads = [](const Var& x) { return permute(x, {0, 2, 1, 3}); };  // (B, H, T, D)
  const double scale = o.scale > 0 ? o.scale : 1 / std::sqrt(double(q.size(3)));
  const int64_t queries = q.size(1), keys = k.size(1);
  Var scores = matmul(heads(q), transpose(heads(k), 2, 3)) * scale;
  if (bias.defined()) scores = scores + bias;
  Var hidden = matrix(queries, keys, q, [&](int64_t i, int64_t j) { return o.causal && j > i + keys - queries; });
  if (o.key_mask.defined()) {
    const Tensor shown = o.key_mask.reshape({k.size(0), 1, 1, keys});
    hidden = maximum(hidden, one_minus(like(shown, q)));
  }
  const Tensor mask = hidden.value.to(Dtype::u8);
  const Var none = like(Tensor::scalar(0), q);
  const Var weights = where(mask, none, composed::softmax(where(mask, none + -1e30, scores)));
  return heads(matmul(composed::dropout(weights, o.dropout, true), heads(v)));
}
Var self_attention(const Var& qkv, const AttentionOptions& o, const Var& bias, bool key_first) {
  return composed::attention(select(qkv, 2, key_first), select(qkv, 2, !key_first), select(qkv, 2, 2), o, bias);
}
Quantized quantize_straight_through(const Var& x, const Tensor& codebook) {
  const Tensor ids = argmin(sum(square(sub(x.value.unsqueeze(-2), codebook)), {-1}), -1);
  const Var codes = composed::embedding(codebook, ids);
  return {x + detach(codes - x), ids.reshape({-1})};
}
Var checkpoint(const std::function<Var(const std::vector<Var>&)>& fn, const std::vector<Var>& inputs) {
  return fn(inputs);
}

}  // namespace kg::composed
