// The differentiable operations: the functions of tensor/ops.h on Vars. Shapes and terms are documented there.
#pragma once

#include "autograd/var.h"

namespace kg {

#define KG_DECLARE(Op, name) Var name(const Var& x);
KG_UNARY_OPS(KG_DECLARE)
#undef KG_DECLARE
#define KG_DECLARE(Op, name) Var name(const Var& x, double a, double b = 0);
KG_UNARY_CONST_OPS(KG_DECLARE)
#undef KG_DECLARE
#define KG_DECLARE(Op, name) Var name(const Var& x, const Var& y);
KG_BINARY_OPS(KG_DECLARE)
#undef KG_DECLARE

inline Var operator+(const Var& a, const Var& b) { return add(a, b); }
inline Var operator-(const Var& a, const Var& b) { return sub(a, b); }
inline Var operator*(const Var& a, const Var& b) { return mul(a, b); }
inline Var operator/(const Var& a, const Var& b) { return div(a, b); }
inline Var operator-(const Var& a) { return neg(a); }
inline Var operator*(const Var& a, double s) { return affine(a, s, 0); }
inline Var operator*(double s, const Var& a) { return affine(a, s, 0); }
inline Var operator+(const Var& a, double s) { return affine(a, 1, s); }
inline Var operator-(const Var& a, double s) { return affine(a, 1, -s); }

Var where(const Tensor& mask, const Var& x, const Var& y);
Var masked_fill(const Var& x, const Tensor& mask, double value);

// Views
Var reshape(const Var& x, const Shape& shape);
Var transpose(const Var& x, int a, int b);
Var permute(const Var& x, std::initializer_list<int> axes);
Var expand(const Var& x, const Shape& shape);
Var slice(const Var& x, int axis, int64_t begin, int64_t end);
Var select(const Var& x, int axis, int64_t index);
Var contiguous(const Var& x);
Var cast(const Var& x, Dtype dtype);  // the gradient comes back in x's dtype
inline Var in_dtype(const Var& x, Dtype dtype) { return x.dtype() == dtype ? x : cast(x, dtype); }

Var sum(const Var& x, const std::vector<int>& axes = {}, bool keepdim = false);
Var mean(const Var& x, const std::vector<int>& axes = {}, bool keepdim = false);
Var max(const Var& x, int axis, bool keepdim = false);  // the gradient goes to the first of equals
Var min(const Var& x, int axis, bool keepdim = false);
Var cumsum(const Var& x, int axis);
std::pair<Var, Tensor> topk(const Var& x, int64_t k);

Var matmul(const Var& a, const Var& b);
Var linear(const Var& x, const Var& weight, const Var& bias);
// Layers of one input, as one product: linear(x, weights[i], biases[i]) side by side, (..., I) -> (..., n O). The
// weights are (O, I) each; biases may be empty.
Var linear_side_by_side(const Var& x, const std::vector<Var>& weights, const std::vector<Var>& biases);
Var conv1d(const Var& x, const Var& weight, const Var& bias, const Conv1dOptions& options);
Var conv_transpose1d(const Var& x, const Var& weight, const Var& bias, const Conv1dOptions& options);
Var upsample_nearest(const Var& x, int factor);

Var softmax(const Var& x);
Var log_softmax(const Var& x);
Var cross_entropy(const Var& logits, const Tensor& target, int ignore_index = -100,
                  double smoothing = 0);  // (N) per row
Var layer_norm(const Var& x, const Var& weight, const Var& bias, double eps);
// sum = x + dropout(branch), norm = layer_norm(sum), in one pass.
struct ResidualNormed {
  Var sum, norm;
};
ResidualNormed add_dropout_norm(const Var& x, const Var& branch, double p, bool training, const Var& weight,
                                const Var& bias, double eps);
Var rms_norm(const Var& x, const Var& weight, double eps);

struct GruStates {
  Var h, last;
};  // h (B, T, H), 0 beyond a sample's length; last (B, H)
GruStates gru(const Var& gates, const Var& weight, const Var& bias, const Var& h0, const Tensor& lengths,
              bool reverse = false);

Var embedding(const Var& weight, const Tensor& ids);
Var index_select(const Var& x, int axis, const Tensor& ids);
Var gather(const Var& x, int axis, const Tensor& index);
Var scatter_add(const Shape& shape, int axis, const Tensor& index, const Var& values);
Var concat(const std::vector<Var>& parts, int axis);
Var stack(const std::vector<Var>& parts, int axis);
std::vector<Var> split(const Var& x, int axis, int64_t size);  // parts of `size`, the last may be smaller

Var dropout(const Var& x, double p, bool training);  // draws from default_generator()
// The bias is an argument, so that it may take a gradient; options.random is drawn from default_generator().
Var attention(const Var& q, const Var& k, const Var& v, AttentionOptions options, const Var& bias = {});
// Query, key and value (key_first: key, query and value) in one tensor qkv (B, T, 3, H, D) -> (B, T, H, D); so is their
// gradient.
Var self_attention(const Var& qkv, AttentionOptions options, const Var& bias = {}, bool key_first = false);

struct Quantized {
  Var y;
  Tensor ids;
};  // y: the codes, with the gradient of x passed straight through
Quantized quantize_straight_through(const Var& x, const Tensor& codebook);

// Runs fn without keeping its activations; backward runs it again with the same random numbers.
Var checkpoint(const std::function<Var(const std::vector<Var>&)>& fn, const std::vector<Var>& inputs);

}  // namespace kg
