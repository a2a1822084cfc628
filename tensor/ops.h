// Every tensor operation that exists. Each checks its arguments, allocates its result and dispatches on the device;
// none knows of gradients (autograd/functions.h pairs them). Inputs are contiguous unless "views" is said. f32 and f64
// on the CPU, f32 and bf16 on CUDA, where bf16 accumulates in f32: losses, statistics and gradients of weights are f32
// then. Letters: B batch, T time, C channels, N rows, K classes or codes, H heads, D head width.
#pragma once

#include <tuple>
#include <vector>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace kg {

// ---- pointwise (tensor/pointwise.h holds the formulas); views, NumPy broadcasting for two operands
// clang-format off
#define KG_UNARY_OPS(X) \
  X(Neg, neg) X(Exp, exp) X(Log, log) X(Sqrt, sqrt) X(Rsqrt, rsqrt) X(Tanh, tanh) X(Sigmoid, sigmoid) X(Relu, relu) \
  X(Gelu, gelu) X(GeluTanh, gelu_tanh) X(QuickGelu, quick_gelu) X(Silu, silu) X(Abs, abs) X(Sin, sin) X(Cos, cos) \
  X(Square, square)
// One op with two constants (unused ones are ignored): x^a, max(x, a x), min(max(x, a), b), Huber with beta a, a x + b.
#define KG_UNARY_CONST_OPS(X) \
  X(Pow, pow) X(LeakyRelu, leaky_relu) X(Clamp, clamp) X(SmoothL1, smooth_l1) X(Affine, affine)
#define KG_BINARY_OPS(X) X(Add, add) X(Sub, sub) X(Mul, mul) X(Div, div) X(Maximum, maximum) X(Minimum, minimum)
// clang-format on

#define KG_DECLARE(Op, name) Tensor name(const Tensor& x);
KG_UNARY_OPS(KG_DECLARE)
#undef KG_DECLARE
#define KG_DECLARE(Op, name) Tensor name(const Tensor& x, double a, double b = 0);
KG_UNARY_CONST_OPS(KG_DECLARE)
#undef KG_DECLARE
#define KG_DECLARE(Op, name) Tensor name(const Tensor& x, const Tensor& y);
KG_BINARY_OPS(KG_DECLARE)
#undef KG_DECLARE

// gy * df at the saved tensor: the input or the output, as Op::kSaves says (ignored where nothing is).
#define KG_DECLARE(Op, name) Tensor name##_backward(const Tensor& gy, const Tensor& saved, double a = 0, double b = 0);
KG_UNARY_OPS(KG_DECLARE)
KG_UNARY_CONST_OPS(KG_DECLARE)
#undef KG_DECLARE
// gy * da or gy * db, at the shape of gy.
#define KG_DECLARE(Op, name)                                                    \
  Tensor name##_backward_a(const Tensor& gy, const Tensor& x, const Tensor& y); \
  Tensor name##_backward_b(const Tensor& gy, const Tensor& x, const Tensor& y);
KG_BINARY_OPS(KG_DECLARE)
#undef KG_DECLARE

void add_(const Tensor& target, const Tensor& x, double scale = 1);  // target += scale * x, in place
void scale_(const Tensor& target, double factor);
Tensor where(const Tensor& mask, const Tensor& x, const Tensor& y);     // mask u8; views, broadcasting
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);  // value where mask is not 0
Tensor equal(const Tensor& x, const Tensor& y);                         // u8; any dtype
bool all_finite(const Tensor& x);
double max_abs_difference(const Tensor& x, const Tensor& y);

// ---- reductions over `axes` (empty: all); keepdim leaves extents of 1
Tensor sum(const Tensor& x, const std::vector<int>& axes = {}, bool keepdim = false);
Tensor sum_accumulated(const Tensor& x, const std::vector<int>& axes);  // the same, f32 for bf16
Tensor mean(const Tensor& x, const std::vector<int>& axes = {}, bool keepdim = false);
Tensor max(const Tensor& x, int axis, bool keepdim = false);
Tensor min(const Tensor& x, int axis, bool keepdim = false);
Tensor argmax(const Tensor& x, int axis);  // i32, first of equals
Tensor argmin(const Tensor& x, int axis);
std::pair<Tensor, Tensor> topk(const Tensor& x, int64_t k);  // last axis: values descending, i32 indices; ties by index
Tensor cumsum(const Tensor& x, int axis, bool reverse = false);
Tensor sum_to(const Tensor& x, const Shape& shape);  // undoes broadcasting: sums x down to `shape`
double squared_norm(const Tensor& x);                // in double
Tensor squared_norm_on_device(const Tensor& x);      // f32 () on x's device, without waiting for it

// ---- matmul
// (..., M, K) x (..., K, N) -> (..., M, N), leading axes broadcast; transposed views are taken as they are.
Tensor matmul(const Tensor& a, const Tensor& b);
// out (M, N) = a (M, K) b (K, N) + beta out. 2-D views with unit stride in either axis.
void matmul_into(const Tensor& out, const Tensor& a, const Tensor& b, double beta);
// x (..., I), weight (O, I), bias (O) or undefined -> (..., O)
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);
// Its gradients from rows gy (N, O) and x (N, I): gweight (O, I) += gy^T x; back comes the sum of gy's rows (O), the
// gradient of the bias, f32 for bf16.
Tensor linear_backward_weight(const Tensor& gweight, const Tensor& gy, const Tensor& x);
// linear for the few rows of a decoding step: a row's bytes do not depend on the rows beside it. weight may be bf16.
Tensor linear_rows(const Tensor& x, const Tensor& weight, const Tensor& bias);

// ---- convolution, channels-last. x (B, T, I), weight (O, I, k): stored (k, I, O), so weight.permute({2, 1, 0}) is
// contiguous (conv1d_weight_layout makes it so); bias (O) or undefined -> (B, (T + 2 padding - dilation (k - 1) - 1) /
// stride + 1, O)
struct Conv1dOptions {
  int stride = 1, padding = 0, dilation = 1;
};
Tensor conv1d_weight_layout(const Tensor& weight);  // the same values, stored (k, I, O); no copy if they are already
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options);
Tensor conv1d_backward_input(const Tensor& gy, const Tensor& weight, const Shape& x_shape,
                             const Conv1dOptions& options);
// gradient of the weight in the same layout; beta = 1 accumulates into `out`
void conv1d_backward_weight(const Tensor& out, const Tensor& gy, const Tensor& x, const Conv1dOptions& options,
                            double beta);
// The transpose of conv1d: x (B, T, I), weight (I, O, k) in conv1d's layout (stored (k, O, I)), bias (O) or undefined
// -> (B, (T - 1) stride - 2 padding + dilation (k - 1) + 1, O)
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options);
Tensor upsample_nearest(const Tensor& x, int factor);  // (B, T, C) -> (B, T factor, C)
Tensor upsample_nearest_backward(const Tensor& gy, int factor);

// ---- softmax and losses, over the last axis; rows accumulate in f32 at least
Tensor softmax(const Tensor& x);
Tensor softmax_backward(const Tensor& gy, const Tensor& y);
Tensor log_softmax(const Tensor& x);
Tensor log_softmax_backward(const Tensor& gy, const Tensor& y);
// logits (N, K), target i32 (N) -> per-row loss (N), 0 where target == ignore_index, and the rows' logsumexp (N).
// Label smoothing s: (1 - s) -log p_target + s mean_k -log p_k.
std::pair<Tensor, Tensor> cross_entropy(const Tensor& logits, const Tensor& target, int ignore_index, double smoothing);
Tensor cross_entropy_backward(const Tensor& gy, const Tensor& logits, const Tensor& target, const Tensor& logsumexp,
                              int ignore_index, double smoothing);

// ---- normalisation over the last axis C. Statistics come back for the backward.
struct NormResult {
  Tensor y, mean, rstd;
};  // mean, rstd: (N)
NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
struct NormGradients {
  Tensor x, weight, bias;
};
NormGradients layer_norm_backward(const Tensor& gy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                  const Tensor& rstd);
// x + dropout(branch), as dropout() draws it, and its layer norm in one pass over memory: what residual blocks pass
// from one to the next. p = 0: no dropout.
struct ResidualNorm {
  Tensor sum;
  NormResult norm;
};
ResidualNorm add_dropout_norm(const Tensor& x, const Tensor& branch, double p, Philox random, const Tensor& weight,
                              const Tensor& bias, double eps);
struct ResidualNormGradients {
  Tensor x, branch, weight, bias;
};
// From the gradient of the norm and of the sum, which may be undefined.
ResidualNormGradients add_dropout_norm_backward(const Tensor& gsum, const Tensor& gy, const Tensor& sum, double p,
                                                Philox random, const Tensor& weight, const Tensor& mean,
                                                const Tensor& rstd);
NormResult rms_norm(const Tensor& x, const Tensor& weight, double eps);  // mean undefined
NormGradients rms_norm_backward(const Tensor& gy, const Tensor& x, const Tensor& weight, const Tensor& rstd);

// ---- indexing; index tensors are i32
Tensor embedding(const Tensor& weight, const Tensor& ids);                                // (V, C), (...) -> (..., C)
void embedding_backward(const Tensor& gweight, const Tensor& gy, const Tensor& ids);      // adds into gweight (V, C)
Tensor index_select(const Tensor& x, int axis, const Tensor& ids);                        // ids (n)
Tensor index_add(const Shape& shape, int axis, const Tensor& ids, const Tensor& values);  // its transpose
Tensor gather(const Tensor& x, int axis, const Tensor& index);  // index like x but for `axis`; x[..., index[i], ...]
Tensor scatter_add(const Shape& shape, int axis, const Tensor& index, const Tensor& values);  // its transpose
Tensor concat(const std::vector<Tensor>& parts, int axis);
Tensor stack(const std::vector<Tensor>& parts, int axis);

// ---- randomness: the mask is a function of `random` and the element's index, so backward calls the same with gy
Tensor dropout(const Tensor& x, double p, Philox random);

// ---- GRU, one direction over a packed batch. gates (B, T, 3H) is the input's part, x W_ih^T + b_ih in PyTorch's order
// reset, update, new; weight (3H, H) and bias (3H) are the state's part; h0 (B, H); lengths i32 (B) in 1..T, which is
// checked where it is in host memory. `reverse` begins at each sample's last step.
struct GruResult {
  Tensor y;              // (B, T + 1, H): the state at every time, 0 beyond a sample's length; at T the last one
  Tensor states, units;  // for the backward
};
GruResult gru(const Tensor& gates, const Tensor& weight, const Tensor& bias, const Tensor& h0, const Tensor& lengths,
              bool reverse);
struct GruGradients {
  Tensor gates, products, h0;
};  // products (T, B, 3H): of the state's part, in the order of result.states, whose product with it is the weight's
GruGradients gru_backward(const Tensor& gy, const GruResult& result, const Tensor& weight, const Tensor& lengths,
                          bool reverse);

// ---- scaled dot-product attention. Views with unit stride in D (slices of a fused projection).
// q (B, Tq, H, D), k and v (B, Tk, H, D) -> (B, Tq, H, D).
struct AttentionOptions {
  double scale = 0;     // 0: 1 / sqrt(D)
  bool causal = false;  // query i attends keys j <= i + (Tk - Tq)
  Tensor key_mask;      // u8 (B, Tk): 0 hides the key; undefined: none
  Tensor bias;          // (B or 1, H or 1, Tq, Tk), added to the scores; undefined: none
  double dropout = 0;   // on the weights, from `random`
  Philox random;
};
struct AttentionResult {
  Tensor y, weights;
};  // weights (B, H, Tq, Tk) before dropout; a row with no key to see is 0
AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options);
struct AttentionGradients {
  Tensor q, k, v, bias;
};  // bias only if the options have one
AttentionGradients attention_backward(const Tensor& gy, const Tensor& q, const Tensor& k, const Tensor& v,
                                      const Tensor& weights, const AttentionOptions& options);

// ---- vector quantisation: argmin_k |x - C_k|^2, first of equals. x (N, C), codebook (K, C) -> i32 (N)
Tensor nearest_code(const Tensor& x, const Tensor& codebook);
// What a batch gives to each code: counts (K) and sums (K, C) of its rows; f32 for bf16.
struct CodeStatistics {
  Tensor counts, sums;
};
CodeStatistics code_statistics(const Tensor& ids, const Tensor& x, int64_t codes);
// f64 (2): entropy -sum p log(p + 1e-7) of p = counts / sum(counts), and the number of codes that are used.
Tensor code_use(const Tensor& counts);
// In place: a code whose count n is below reset_below becomes its row of `spare` (K, C) (if `reset`), any other with
// n > 1e-6 becomes code_sum / n (if `average`). n is of code_count if `average`, else of counts.
void update_codebook(const Tensor& codebook, const Tensor& code_sum, const Tensor& code_count, const Tensor& counts,
                     const Tensor& spare, bool average, bool reset, double reset_below);

// ---- optimisation, on flat buffers
struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled = true;
};
// One step on p with gradient g * grad_scale; m and v are the moments, t >= 1 the number of this step. Without waiting
// for the device: `scale`, an f32 () beside p, multiplies the gradient as well, and where it is not finite nothing
// changes. `half`, a bf16 tensor like p, receives the new values rounded.
void adam_step(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v, int64_t t,
               const AdamOptions& options, double grad_scale, const Tensor& scale = {}, const Tensor& half = {});
Tensor clip_scale(const Tensor& squared_norm,
                  double max_norm);  // f32 (): min(1, max_norm / (norm + 1e-6)), NaN for NaN
void lerp_(const Tensor& target, const Tensor& x, double weight);  // target += weight (x - target)

}  // namespace kg
