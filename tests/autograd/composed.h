// What the fused operations are: each out of basic ones (pointwise ops, sums, maxima, matrix products, views), which
// differentiate themselves. The op table holds value and gradients of every kernel against these. Parameters and shapes
// are those of autograd/functions.h.
#pragma once

#include "autograd/functions.h"

namespace kg::composed {

Var masked_fill(const Var& x, const Tensor& mask, double value);
Var mean(const Var& x, const std::vector<int>& axes, bool keepdim = false);
Var cumsum(const Var& x, int axis);
std::vector<Var> split(const Var& x, int axis, int64_t size);

Var embedding(const Var& weight, const Tensor& ids);
Var index_select(const Var& x, int axis, const Tensor& ids);
Var gather(const Var& x, int axis, const Tensor& index);
Var scatter_add(const Shape& shape, int axis, const Tensor& index, const Var& values);

Var linear(const Var& x, const Var& weight, const Var& bias);
Var linear_side_by_side(const Var& x, const std::vector<Var>& weights, const std::vector<Var>& biases);
Var conv1d(const Var& x, const Var& weight, const Var& bias, const Conv1dOptions& options);
Var conv_transpose1d(const Var& x, const Var& weight, const Var& bias, const Conv1dOptions& options);
Var upsample_nearest(const Var& x, int factor);

Var softmax(const Var& x);
Var log_softmax(const Var& x);
Var cross_entropy(const Var& logits, const Tensor& target, int ignore_index = -100, double smoothing = 0);
Var layer_norm(const Var& x, const Var& weight, const Var& bias, double eps);
Var rms_norm(const Var& x, const Var& weight, double eps);
ResidualNormed add_dropout_norm(const Var& x, const Var& branch, double p, bool training, const Var& weight,
                                const Var& bias, double eps);

GruStates gru(const Var& gates, const Var& weight, const Var& bias, const Var& h0, const Tensor& lengths, bool reverse);

Var dropout(const Var& x, double p, bool training);
Var attention(const Var& q, const Var& k, const Var& v, const AttentionOptions& options, const Var& bias = {});
Var self_attention(const Var& qkv, const AttentionOptions& options, const Var& bias = {}, bool key_first = false);
Quantized quantize_straight_through(const Var& x, const Tensor& codebook);
Var checkpoint(const std::function<Var(const std::vector<Var>&)>& fn, const std::vector<Var>& inputs);

}  // namespace kg::composed
