// Every tensor operation that exists, with its definition and its gradient. Each checks its arguments, allocates its
// result and dispatches on the device; none knows of the graph (autograd/functions.h pairs value and gradient). Inputs
// are contiguous unless "views" is said. f32 and f64 on the CPU, f32 and bf16 on CUDA, where bf16 accumulates in f32:
// losses, statistics and gradients of weights are f32 then.
// Letters: B batch, T time, C channels, I and O inputs and outputs, N rows, K classes or codes, H heads, D head width.
// gx is the gradient of the loss with respect to x, gy that with respect to the result y; [c] is 1 where c holds and 0
// elsewhere; products without a dot are elementwise.
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

void add_(const Tensor& target, const Tensor& x, double scale = 1);  // target += scale x, in place
void scale_(const Tensor& target, double factor);
// y = mask ? a : b, the mask u8; views, broadcasting. ga = [mask] gy, gb = [not mask] gy
Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b);
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);  // value where mask is not 0
Tensor equal(const Tensor& x, const Tensor& y);                         // u8; any dtype
bool all_finite(const Tensor& x);
double max_abs_difference(const Tensor& x, const Tensor& y);

// ---- reductions over `axes` (empty: all); keepdim leaves extents of 1
Tensor sum(const Tensor& x, const std::vector<int>& axes = {}, bool keepdim = false);   // gx = gy, repeated
Tensor sum_accumulated(const Tensor& x, const std::vector<int>& axes);                  // the same, f32 for bf16
void sum_into(const Tensor& out, const Tensor& x, const std::vector<int>& axes);        // the same, to `out`, dense
Tensor mean(const Tensor& x, const std::vector<int>& axes = {}, bool keepdim = false);  // of n elements: gx = gy / n
// gx = gy at the element that was found, the first of equals; 0 elsewhere
Tensor max(const Tensor& x, int axis, bool keepdim = false);
Tensor min(const Tensor& x, int axis, bool keepdim = false);
Tensor argmax(const Tensor& x, int axis);  // i32, first of equals
Tensor argmin(const Tensor& x, int axis);
std::pair<Tensor, Tensor> topk(const Tensor& x, int64_t k);  // last axis: values descending, i32 indices; ties by index
// y_i = sum_{j <= i} x_j along the axis, over j >= i if reverse. gx is the cumsum of gy in the other direction.
Tensor cumsum(const Tensor& x, int axis, bool reverse = false);
// Undoes broadcasting: sums x down to `shape`. x itself where it has that shape, else a tensor that nobody shares.
Tensor sum_to(const Tensor& x, const Shape& shape);
double squared_norm(const Tensor& x);            // sum x^2, in double
Tensor squared_norm_on_device(const Tensor& x);  // f32 () on x's device, without waiting for it

// ---- matmul
// y = a . b: (..., M, K) x (..., K, N) -> (..., M, N), leading axes broadcast; transposed views are taken as they are.
// ga = gy . b^T, gb = a^T . gy
Tensor matmul(const Tensor& a, const Tensor& b);
// out (M, N) = a (M, K) . b (K, N) + beta out. 2-D views with unit stride in either axis; 3-D: a product for each entry
// of the first axis, of which out has unit stride in N.
void matmul_into(const Tensor& out, const Tensor& a, const Tensor& b, double beta);
// y = x . W^T + b: x (..., I), weight W (O, I), bias b (O) or undefined -> (..., O).
// gx = gy . W, gW = gy^T . x, gb = sum of gy over the rows
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);
// From rows gy (N, O) and x (N, I): gweight (O, I) = gW + beta gweight, beta 0 or 1; gbias (O) = gb, f32 for bf16.
void linear_backward_weight(const Tensor& gweight, const Tensor& gbias, const Tensor& gy, const Tensor& x, double beta);

// ---- convolution, channels-last; x is 0 outside its T frames
//   y[b, t, o] = bias[o] + sum_{j < k} sum_i x[b, t stride - padding + j dilation, i] weight[o, i, j]
//   T' = (T + 2 padding - dilation (k - 1) - 1) / stride + 1
// x (B, T, I), weight (O, I, k), bias (O) or undefined -> y (B, T', O). The weight is stored (k, I, O), so that
// weight.permute({2, 1, 0}) is contiguous (conv1d_weight_layout makes it so).
// gx = conv_transpose1d(gy) with the same weight, gweight[o, i, j] = sum_{b, t} gy[b, t, o] x[b, t stride - padding +
// j dilation, i], gbias = sum of gy over b, t.
struct Conv1dOptions {
  int stride = 1, padding = 0, dilation = 1;
};
Tensor conv1d_weight_layout(const Tensor& weight);  // the same values, stored (k, I, O); no copy if they are already
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options);
Tensor conv1d_backward_input(const Tensor& gy, const Tensor& weight, const Shape& x_shape,
                             const Conv1dOptions& options);
// out = gweight + beta out, in the layout of the weight; beta is 0 or 1
void conv1d_backward_weight(const Tensor& out, const Tensor& gy, const Tensor& x, const Conv1dOptions& options,
                            double beta);
// The transpose of conv1d as a linear map:
//   y[b, s, o] = bias[o] + sum_{t, j: t stride - padding + j dilation = s} sum_i x[b, t, i] weight[i, o, j]
// x (B, T, I), weight (I, O, k) in conv1d's layout (stored (k, O, I)), bias (O) or undefined ->
// y (B, (T - 1) stride - 2 padding + dilation (k - 1) + 1, O). gx = conv1d(gy), and in gweight x and gy change places.
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv1dOptions& options);
// y[b, t] = x[b, t / factor]: (B, T, C) -> (B, T factor, C). gx[b, t] = sum_{j < factor} gy[b, t factor + j]
Tensor upsample_nearest(const Tensor& x, int factor);
Tensor upsample_nearest_backward(const Tensor& gy, int factor);

// ---- softmax and losses, over the last axis; rows accumulate in f32 at least
// y_i = exp(x_i) / sum_j exp(x_j).  gx = y (gy - sum_j gy_j y_j)
Tensor softmax(const Tensor& x);
Tensor softmax_backward(const Tensor& gy, const Tensor& y);
// y_i = x_i - logsumexp(x), logsumexp(x) = log sum_j exp(x_j).  gx = gy - exp(y) sum_j gy_j
Tensor log_softmax(const Tensor& x);
Tensor log_softmax_backward(const Tensor& gy, const Tensor& y);
// With p = softmax(x) and label smoothing s, of each row of the logits x (N, K) with target t (N), i32:
//   loss = -(1 - s) log p_t - s / K sum_k log p_k = logsumexp(x) - (1 - s) x_t - s mean(x)
//   gx_k = gy (p_k - (1 - s) [k = t] - s / K)
// both 0 where t == ignore_index. Returns the losses (N) and the rows' logsumexp (N).
std::pair<Tensor, Tensor> cross_entropy(const Tensor& logits, const Tensor& target, int ignore_index, double smoothing);
Tensor cross_entropy_backward(const Tensor& gy, const Tensor& logits, const Tensor& target, const Tensor& logsumexp,
                              int ignore_index, double smoothing);

// ---- normalisation over the last axis C. Statistics come back for the backward.
struct NormResult {
  Tensor y, mean, rstd;
};  // mean, rstd: (N)
struct NormGradients {
  Tensor x, weight, bias;
};
// Where the backward writes the gradients of weight and bias, f32 for bf16; where undefined it makes them.
struct NormRoom {
  Tensor weight, bias;
};
// Layer norm (Ba et al. 2016) with weight w (C), bias b (C) or undefined; of each row
//   mean = sum x / C,  rstd = (sum (x - mean)^2 / C + eps)^(-1/2),  h = (x - mean) rstd,  y = h w + b
//   gx = rstd (a - mean(a) - h mean(a h)) with a = gy w;  over the rows gw = sum gy h, gb = sum gy
NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps);
NormGradients layer_norm_backward(const Tensor& gy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                  const Tensor& rstd, const NormRoom& room = {});
// RMS norm (Zhang and Sennrich 2019): the same with mean = 0 and without b and mean(a):
//   rstd = (sum x^2 / C + eps)^(-1/2),  h = x rstd,  y = h w;  gx = rstd (a - h mean(a h))
NormResult rms_norm(const Tensor& x, const Tensor& weight, double eps);  // mean undefined
NormGradients rms_norm_backward(const Tensor& gy, const Tensor& x, const Tensor& weight, const Tensor& rstd,
                                const NormRoom& room = {});
// What residual blocks pass from one to the next, in one pass over memory; p = 0: no dropout.
//   sum = x + dropout(branch),  y = layer_norm(sum)
//   gx = gsum + the gx of layer_norm,  gbranch = dropout(gx) with the same random numbers
struct ResidualNorm {
  Tensor sum;
  NormResult norm;
};
ResidualNorm add_dropout_norm(const Tensor& x, const Tensor& branch, double p, Philox random, const Tensor& weight,
                              const Tensor& bias, double eps);
struct ResidualNormGradients {
  Tensor x, branch, weight, bias;
};
// gsum, what the sum got from its other users, may be undefined.
ResidualNormGradients add_dropout_norm_backward(const Tensor& gsum, const Tensor& gy, const Tensor& sum, double p,
                                                Philox random, const Tensor& weight, const Tensor& mean,
                                                const Tensor& rstd, const NormRoom& room = {});

// ---- indexing; index tensors are i32. The gradient of each goes back to where the elements came from, added up there.
// y[..., c] = weight[ids[...], c]: (V, C), (...) -> (..., C).  gweight[v] = sum of gy over the places with ids = v
Tensor embedding(const Tensor& weight, const Tensor& ids);
void embedding_backward(const Tensor& gweight, const Tensor& gy, const Tensor& ids);  // gweight (V, C) +=
// Along the axis y[i] = x[ids[i]], ids (n), and its transpose out[ids[i]] += values[i] into zeros of `shape`: the
// gradient of one is the other.
Tensor index_select(const Tensor& x, int axis, const Tensor& ids);
Tensor index_add(const Shape& shape, int axis, const Tensor& ids, const Tensor& values);
// The same with an index for each element, shaped like x but for the axis: y[.., i, ..] = x[.., index[.., i, ..], ..],
// and its transpose.
Tensor gather(const Tensor& x, int axis, const Tensor& index);
Tensor scatter_add(const Shape& shape, int axis, const Tensor& index, const Tensor& values);
Tensor concat(const std::vector<Tensor>& parts, int axis);  // along the axis; a part's gradient is its slice of gy
Tensor stack(const std::vector<Tensor>& parts, int axis);   // along a new axis

// ---- randomness: what is kept is a function of `random` and the element's index i, so backward calls the same with gy
// y_i = [u_i >= p] x_i / (1 - p), u_i the 24-bit uniform of word i of `random`.  gx = dropout(gy)
Tensor dropout(const Tensor& x, double p, Philox random);

// ---- GRU (Cho et al. 2014, with PyTorch's place of the reset gate), one direction over a packed batch. Of each step,
// with x = gates[b, t], u = W h + bias, each in three parts r, z, n of width H, s the sigmoid:
//   r = s(x_r + u_r),  z = s(x_z + u_z),  n = tanh(x_n + r u_n),  h' = (1 - z) n + z h
//   gx_n = gh' (1 - z) (1 - n^2),  gx_z = gh' (h - n) z (1 - z),  gx_r = gx_n u_n r (1 - r)
//   gu = (gx_r, gx_z, r gx_n),  gh = z gh' + W^T gu,  and over all steps gW = sum gu h^T, gbias = sum gu
// where gh' is gy[b, t] and what the next step gives to its h.
// gates (B, T, 3H) is the input's part, input . W_ih^T + b_ih; weight W (3H, H) and bias (3H) are the state's part;
// h0 (B, H); lengths i32 (B) in 1..T, which is checked where it is in host memory. `reverse` begins at each sample's
// last step.
struct GruResult {
  Tensor y;              // (B, T + 1, H): the state at every time, 0 beyond a sample's length; at T the last one
  Tensor states, units;  // for the backward
};
GruResult gru(const Tensor& gates, const Tensor& weight, const Tensor& bias, const Tensor& h0, const Tensor& lengths,
              bool reverse);
struct GruGradients {
  Tensor gates, products, h0;
};  // products (T, B, 3H): gu of each step, in the order of result.states, whose product with it is gW
GruGradients gru_backward(const Tensor& gy, const GruResult& result, const Tensor& weight, const Tensor& lengths,
                          bool reverse);

// ---- scaled dot-product attention (Vaswani et al. 2017) of each head. Views with unit stride in D (slices of a fused
// projection). q (B, Tq, H, D), k and v (B, Tk, H, D) -> (B, Tq, H, D).
//   S = scale q . k^T + bias over the keys that a query sees,  P = softmax(S),  y = P' . v with P' = dropout(P)
//   gv = P'^T . gy,  gP = dropout(gy . v^T),  gS = P (gP - sum over keys of P gP)
//   gq = scale gS . k,  gk = scale gS^T . q,  gbias = gS, summed where the bias was broadcast
struct AttentionOptions {
  double scale = 0;      // 0: 1 / sqrt(D)
  bool causal = false;   // query i sees keys j <= i + (Tk - Tq)
  Tensor key_mask = {};  // u8 (B, Tk): 0 hides the key; undefined: none
  Tensor bias = {};      // (B or 1, H or 1, Tq, Tk); undefined: none. To attention() of Vars it is an argument.
  double dropout = 0;    // on the weights, from `random`
  Philox random = {};
};
struct AttentionResult {
  Tensor y, weights;
};  // weights P (B, H, Tq, Tk); a row with no key to see is 0
AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options);
struct AttentionGradients {
  Tensor q, k, v, bias;
};  // bias only if the options have one
// q, k and v of `room`, views as q, k and v are, receive the gradients; where undefined they are made.
AttentionGradients attention_backward(const Tensor& gy, const Tensor& q, const Tensor& k, const Tensor& v,
                                      const Tensor& weights, const AttentionOptions& options,
                                      const AttentionGradients& room = {});

// ---- decoding (nn/decode.h): rows x (N, I), one of each sequence, at one position. What becomes of a row does not
// depend on the rows beside it, bit for bit. Weights of products may be bf16 where x is f32. `position`, an i32 (1)
// below T, is read where it lies, so that a step captured on CUDA serves every position; each op is one launch there.
enum class RowActivation { none, relu, gelu, gelu_tanh };
struct RowNorm {
  Tensor weight, bias;  // of layer_norm, or of rms_norm, which has no bias; without a weight nothing is normed
  double eps = 0;
  bool rms = false;
};
struct RowProjection {
  Tensor weight, bias;  // (O, I), and (O) or undefined
};
struct RowsOptions {
  RowNorm norm = {};
  RowActivation activation = RowActivation::none;
  Tensor gate = {};      // (O, I) or undefined
  Tensor residual = {};  // (..., O) or undefined
};
// y = residual + act(h . W^T + b) (h . gate^T) with h = norm(x): x (..., I) -> (..., O)
Tensor linear_rows(const Tensor& x, const Tensor& weight, const Tensor& bias, const RowsOptions& options = {});
// Queries, keys and values h . W^T + b of h = norm(x). The queries (N, O) are the result; keys and values go to
// `position` of keys and values (N, T, H, D), H D = O.
Tensor project_rows(const Tensor& x, const RowNorm& norm, const RowProjection& q, const RowProjection& k,
                    const RowProjection& v, const Tensor& keys, const Tensor& values, const Tensor& position);
// attention() of the queries q (N, H D) to the first n = position + 1 of keys and values (N, T, H, D), or without a
// position to all n = T -> (N, H D). Of the options: scale, key_mask (N, T) and bias (N or 1, H or 1, 1, T), the last n
// of which are for the n keys.
Tensor attention_rows(const Tensor& q, const Tensor& keys, const Tensor& values, const AttentionOptions& options,
                      const Tensor& position = {});
// y_n = places[position] + (position == 0 ? first_n : table[ids_n]): first (N, C), table (V, C), ids (N), places (T, C)
Tensor embedding_rows(const Tensor& first, const Tensor& table, const Tensor& ids, const Tensor& places,
                      const Tensor& position);

// ---- vector quantisation
// ids[n] = argmin_k |x_n - c_k|^2, first of equals: x (N, C), codebook c (K, C) -> i32 (N). No gradient:
// quantize_straight_through() of Vars gives c_ids the gradient of x.
Tensor nearest_code(const Tensor& x, const Tensor& codebook);
// What a batch gives to each code k: counts (K) = sum_n [ids[n] = k] and sums (K, C) of its rows; f32 for bf16.
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
// Adam (Kingma and Ba 2015); decoupled: AdamW (Loshchilov and Hutter 2019). Step t >= 1 with d = g grad_scale:
//   d += weight_decay p                              (where not decoupled)
//   m = beta1 m + (1 - beta1) d,  v = beta2 v + (1 - beta2) d^2
//   p = (1 - lr weight_decay) p - lr mh / (sqrt(vh) + eps),  mh = m / (1 - beta1^t),  vh = v / (1 - beta2^t)
// (the factor of p is 1 where not decoupled).
struct AdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled = true;
};
// Without waiting for the device: `scale`, an f32 () beside p, multiplies the gradient as well, and where it is not
// finite nothing changes. `half`, a bf16 tensor like p, receives the new values rounded.
void adam_step(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v, int64_t t,
               const AdamOptions& options, double grad_scale, const Tensor& scale = {}, const Tensor& half = {});
// f32 (): min(1, max_norm / (sqrt(squared_norm) + 1e-6)), NaN for NaN
Tensor clip_scale(const Tensor& squared_norm, double max_norm);
void lerp_(const Tensor& target, const Tensor& x, double weight);  // target += weight (x - target)

}  // namespace kg
