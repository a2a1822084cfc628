// Attention and codebook search: checks, allocation, dispatch.
#include <cmath>

#include "tensor/cpu/attention.h"
#include "tensor/cpu/quantize.h"
#include "tensor/dispatch.h"
#include "tensor/ops.h"

namespace kg {
namespace {

// A view that kernels take as it is: unit stride in D, rows of different times apart. Anything else is copied.
bool is_rows_view(const Tensor& t) {
  return (t.size(3) == 1 || t.strides()[3] == 1) && (t.size(1) == 1 || t.strides()[1] >= t.size(3));
}
Tensor rows_view(const Tensor& t) { return is_rows_view(t) ? t : t.contiguous(); }

void check_attention(const char* op, const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& o) {
  CHECK(q.defined() && k.defined() && v.defined(), "[", op, "] an operand is undefined");
  CHECK(q.rank() == 4, "[", op, "] q must be (batch, time, heads, width), has shape ", q.shape());
  const Shape keys{q.size(0), k.rank() == 4 ? k.size(1) : -1, q.size(2), q.size(3)};
  CHECK(k.shape() == keys && v.shape() == keys, "[", op, "] k and v must be (", q.size(0), ", Tk, ", q.size(2), ", ",
        q.size(3), ") like q ", q.shape(), ", are ", k.shape(), " and ", v.shape());
  CHECK(q.dtype() == k.dtype() && q.dtype() == v.dtype(), "[", op, "] q, k and v are ", name_of(q.dtype()), ", ",
        name_of(k.dtype()), " and ", name_of(v.dtype()), "; they must be alike");
  CHECK(o.dropout >= 0 && o.dropout < 1, "[", op, "] dropout must be in [0, 1), is ", o.dropout);
  CHECK(o.scale >= 0 && std::isfinite(o.scale), "[", op, "] scale must be positive, or 0 for 1 / sqrt(D); is ",
        o.scale);
  if (o.key_mask.defined())
    CHECK(o.key_mask.dtype() == Dtype::u8 && o.key_mask.shape() == (Shape{q.size(0), k.size(1)}), "[", op,
          "] key_mask must be u8 of shape ", (Shape{q.size(0), k.size(1)}), ", is ", name_of(o.key_mask.dtype()), " ",
          o.key_mask.shape());
  if (!o.bias.defined()) return;
  const Shape& b = o.bias.shape();
  CHECK(b.rank() == 4 && (b[0] == 1 || b[0] == q.size(0)) && (b[1] == 1 || b[1] == q.size(2)) && b[2] == q.size(1) &&
            b[3] == k.size(1),
        "[", op, "] bias must be (", q.size(0), " or 1, ", q.size(2), " or 1, ", q.size(1), ", ", k.size(1), "), is ",
        b);
  CHECK(o.bias.dtype() == q.dtype(), "[", op, "] bias is ", name_of(o.bias.dtype()), ", expected ", name_of(q.dtype()));
}

// The options as kernels want them: scale given, rows of mask and bias contiguous.
AttentionOptions resolved(const AttentionOptions& options, int64_t width) {
  AttentionOptions o = options;
  if (o.scale == 0) o.scale = 1 / std::sqrt(double(std::max<int64_t>(1, width)));
  if (o.key_mask.defined()) o.key_mask = o.key_mask.contiguous();
  if (o.bias.defined() && o.bias.size(3) > 1 && o.bias.strides()[3] != 1) o.bias = o.bias.contiguous();
  return o;
}

}  // namespace

AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options) {
  check_attention("attention", q, k, v, options);
  const Tensor y = Tensor::empty(q.shape(), q.dtype(), q.device());
  const Tensor weights = Tensor::empty({q.size(0), q.size(2), q.size(1), k.size(1)}, q.dtype(), q.device());
  DISPATCH(q.device(), attention_forward, y, weights, rows_view(q), rows_view(k), rows_view(v),
           resolved(options, q.size(3)));
  return {y, weights};
}

Tensor attention_rows(const Tensor& q, const Tensor& keys, const Tensor& values, const AttentionOptions& options,
                      const Tensor& position) {
  CHECK(q.defined() && q.rank() == 2 && keys.defined() && keys.rank() == 4 && q.size(1) == keys.size(2) * keys.size(3),
        "[attention_rows] needs q (N, H D) and keys (N, T, H, D), got ", q.shape(), " and ", keys.shape());
  check_attention("attention_rows", q.reshape({q.size(0), 1, keys.size(2), keys.size(3)}), keys, values, options);
  CHECK(options.dropout == 0, "[attention_rows] has no dropout");
  if (position.defined())
    CHECK(position.dtype() == Dtype::i32 && position.numel() == 1 && position.device() == q.device(),
          "[attention_rows] position must be one i32 on the device of q");
  const Tensor y = Tensor::empty(q.shape(), q.dtype(), q.device());
  if (y.numel())
    DISPATCH(q.device(), attention_rows_forward, y, q.contiguous(), rows_view(keys), rows_view(values),
             resolved(options, keys.size(3)), position);
  return y;
}

AttentionGradients attention_backward(const Tensor& gy, const Tensor& q, const Tensor& k, const Tensor& v,
                                      const Tensor& weights, const AttentionOptions& options,
                                      const AttentionGradients& room) {
  check_attention("attention_backward", q, k, v, options);
  CHECK(gy.shape() == q.shape() && gy.dtype() == q.dtype(), "[attention_backward] gy must be ", name_of(q.dtype()), " ",
        q.shape(), ", is ", name_of(gy.dtype()), " ", gy.shape());
  const Shape square{q.size(0), q.size(2), q.size(1), k.size(1)};
  CHECK(weights.shape() == square && weights.dtype() == q.dtype() && weights.is_contiguous(),
        "[attention_backward] weights must be those of attention(), ", square, ", are ", weights.shape());
  // Without queries there is nothing to run over, and the gradients of keys and values are 0.
  const auto gradient = [&](const Tensor& t, const Tensor& given) {
    if (given.defined()) {
      CHECK(given.shape() == t.shape() && given.dtype() == t.dtype() && is_rows_view(given),
            "[attention_backward] room for a gradient must be ", name_of(t.dtype()), " ", t.shape(),
            " with unit stride in the last axis, is ", name_of(given.dtype()), " ", given.shape(), " with strides ",
            given.strides());
      if (q.size(1) == 0) given.fill(0);
      given.bump_version();
      return given;
    }
    return q.size(1) ? Tensor::empty(t.shape(), t.dtype(), t.device())
                     : Tensor::zeros(t.shape(), t.dtype(), t.device());
  };
  AttentionGradients g{gradient(q, room.q), gradient(k, room.k), gradient(v, room.v), {}};
  Tensor scores;
  if (options.bias.defined()) scores = Tensor::empty(square, q.dtype(), q.device());
  DISPATCH(q.device(), attention_backward, g.q, g.k, g.v, scores, rows_view(gy), rows_view(q), rows_view(k),
           rows_view(v), weights, resolved(options, q.size(3)));
  if (options.bias.defined()) g.bias = sum_to(scores, options.bias.shape());
  return g;
}

Tensor nearest_code(const Tensor& x, const Tensor& codebook) {
  CHECK(x.defined() && codebook.defined() && x.rank() == 2 && codebook.rank() == 2 && x.size(1) == codebook.size(1),
        "[nearest_code] needs x (N, C) and codebook (K, C), got ", x.shape(), " and ", codebook.shape());
  CHECK(x.dtype() == codebook.dtype(), "[nearest_code] x is ", name_of(x.dtype()), ", codebook is ",
        name_of(codebook.dtype()));
  CHECK(codebook.size(0) > 0, "[nearest_code] the codebook is empty");
  const Tensor ids = Tensor::empty({x.size(0)}, Dtype::i32, x.device());
  DISPATCH(x.device(), nearest_code_forward, ids, x.contiguous(), codebook.contiguous());
  return ids;
}

CodeStatistics code_statistics(const Tensor& ids, const Tensor& x, int64_t codes) {
  CHECK(x.rank() == 2 && ids.rank() == 1 && ids.numel() == x.size(0),
        "[code_statistics] needs ids (N) and x (N, C), got ", ids.shape(), " and ", x.shape());
  const Tensor counts = Tensor::zeros({codes, 1}, accumulator(x.dtype()), x.device()),
               sums = Tensor::zeros({codes, x.size(1)}, accumulator(x.dtype()), x.device());
  embedding_backward(counts, Tensor::ones({x.size(0), 1}, x.dtype(), x.device()), ids);
  embedding_backward(sums, x, ids);
  return {counts.reshape({codes}), sums};
}
Tensor code_use(const Tensor& counts) {
  const Tensor use = Tensor::empty({2}, Dtype::f64, counts.device());
  DISPATCH(counts.device(), code_use_forward, use, counts.contiguous());
  return use;
}
void update_codebook(const Tensor& codebook, const Tensor& code_sum, const Tensor& code_count, const Tensor& counts,
                     const Tensor& spare, bool average, bool reset, double reset_below) {
  const Shape& s = codebook.shape();
  CHECK(codebook.rank() == 2 && code_sum.shape() == s && code_count.numel() == s[0] && counts.numel() == s[0],
        "[update_codebook] codebook ", s, ", sums ", code_sum.shape(), ", counts ", code_count.shape(), " and ",
        counts.shape(), " do not fit each other");
  CHECK(!reset || (spare.defined() && spare.shape() == s), "[update_codebook] reset needs `spare` like the codebook");
  for (const Tensor* t : {&codebook, &code_sum, &code_count, &counts})
    CHECK(t->is_contiguous(), "[update_codebook] tensors must be contiguous");
  codebook.bump_version();
  const Tensor rows = reset ? spare.to(codebook.dtype()).contiguous() : Tensor();
  DISPATCH(codebook.device(), update_codebook, codebook, code_sum, code_count, counts, rows, average, reset,
           reset_below);
}

}  // namespace kg
