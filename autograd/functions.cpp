// The gradient table: each function computes its value with a tensor op and records how gradients flow back, also in
// tensor ops. Closures capture only the tensors that the formula needs.
#include "autograd/functions.h"

#include <numeric>

#include "tensor/pointwise.h"

namespace kg {
namespace {
template <class Op>
Tensor saved(const Tensor& x, const Tensor& y) {
  return Op::kSaves == Saves::input ? x : (Op::kSaves == Saves::output ? y : Tensor());
}
}  // namespace

// ---- pointwise
#define KG_DEFINE(Op, name)                                                                                \
  Var name(const Var& x) {                                                                                 \
    const Tensor y = name(x.value), s = saved<Op>(x.value, y);                                             \
    return record(#name, y, {x}, [s](const Tensor& gy, Grads& gx) { gx.add(0, name##_backward(gy, s)); }); \
  }
KG_UNARY_OPS(KG_DEFINE)
#undef KG_DEFINE
#define KG_DEFINE(Op, name)                                                                                            \
  Var name(const Var& x, double a, double b) {                                                                         \
    const Tensor y = name(x.value, a, b), s = saved<Op>(x.value, y);                                                   \
    return record(#name, y, {x}, [s, a, b](const Tensor& gy, Grads& gx) { gx.add(0, name##_backward(gy, s, a, b)); }); \
  }
KG_UNARY_CONST_OPS(KG_DEFINE)
#undef KG_DEFINE

// add and sub need no operand in the backward, so they keep none alive.
Var add(const Var& x, const Var& y) {
  return record("add", add(x.value, y.value), {x, y}, [](const Tensor& gy, Grads& gx) {
    gx.add(0, gy);
    gx.add(1, gy);
  });
}
Var sub(const Var& x, const Var& y) {
  return record("sub", sub(x.value, y.value), {x, y}, [](const Tensor& gy, Grads& gx) {
    gx.add(0, gy);
    if (gx.needed(1)) gx.add(1, neg(gy));
  });
}
#define KG_DEFINE(name)                                                                                            \
  Var name(const Var& x, const Var& y) {                                                                           \
    return record(#name, name(x.value, y.value), {x, y}, [a = x.value, b = y.value](const Tensor& gy, Grads& gx) { \
      if (gx.needed(0)) gx.add(0, name##_backward_a(gy, a, b));                                                    \
      if (gx.needed(1)) gx.add(1, name##_backward_b(gy, a, b));                                                    \
    });                                                                                                            \
  }
KG_DEFINE(mul)
KG_DEFINE(div)
KG_DEFINE(maximum)
KG_DEFINE(minimum)
#undef KG_DEFINE

Var where(const Tensor& mask, const Var& x, const Var& y) {
  return record("where", where(mask, x.value, y.value), {x, y}, [mask](const Tensor& gy, Grads& gx) {
    const Tensor zero = Tensor::scalar(0, gy.dtype(), gy.device());
    if (gx.needed(0)) gx.add(0, where(mask, gy, zero));
    if (gx.needed(1)) gx.add(1, where(mask, zero, gy));
  });
}
Var masked_fill(const Var& x, const Tensor& mask, double value) {
  return where(mask, Var(Tensor::scalar(value, x.dtype(), x.value.device())), x);
}

// ---- views
Var reshape(const Var& x, const Shape& shape) {
  return record("reshape", x.value.reshape(shape), {x},
                [s = x.shape()](const Tensor& gy, Grads& gx) { gx.add(0, gy.reshape(s)); });
}
Var transpose(const Var& x, int a, int b) {
  return record("transpose", x.value.transpose(a, b), {x},
                [a, b](const Tensor& gy, Grads& gx) { gx.add(0, gy.transpose(a, b)); });
}
Var permute(const Var& x, std::initializer_list<int> axes) {
  std::array<int, kMaxRank> inverse{};
  int i = 0;
  for (int axis : axes) inverse[size_t(wrap_axis(axis, x.rank(), "permute"))] = i++;
  return record("permute", x.value.permute(axes), {x}, [inverse](const Tensor& gy, Grads& gx) {
    Shape shape = gy.shape(), strides = gy.strides();
    for (int j = 0; j < gy.rank(); ++j)
      shape[j] = gy.shape()[inverse[size_t(j)]], strides[j] = gy.strides()[inverse[size_t(j)]];
    gx.add(0, Tensor::view_of(gy.storage(), gy.offset(), shape, strides, gy.dtype()));
  });
}
Var expand(const Var& x, const Shape& shape) {
  return record("expand", x.value.expand(shape), {x}, [](const Tensor& gy, Grads& gx) { gx.add(0, gy); });
}
Var slice(const Var& x, int axis, int64_t begin, int64_t end) {
  return record("slice", x.value.slice(axis, begin, end), {x},
                [v = x.value, axis, begin, end](const Tensor& gy, Grads& gx) {
                  if (gx.needed(0)) add_(gx.buffer(0, v).slice(axis, begin, end), gy);
                });
}
Var select(const Var& x, int axis, int64_t index) {
  axis = wrap_axis(axis, x.rank(), "select");
  const Var part = slice(x, axis, index, index + 1);
  return reshape(part, part.value.squeeze(axis).shape());
}
Var cast(const Var& x, Dtype dtype) {
  return record("cast", x.value.to(dtype), {x},
                [from = x.dtype()](const Tensor& gy, Grads& gx) { gx.add(0, gy.to(from)); });
}
Var contiguous(const Var& x) {
  return record("contiguous", x.value.contiguous(), {x}, [](const Tensor& gy, Grads& gx) { gx.add(0, gy); });
}

// ---- reductions
namespace {
// gy of a reduction, with the reduced axes back as 1.
Shape with_ones(const Shape& shape, const std::vector<int>& axes) {
  if (axes.empty()) return Shape::filled(shape.rank(), 1);
  Shape s = shape;
  for (int axis : axes) s[wrap_axis(axis, shape.rank(), "sum")] = 1;
  return s;
}
}  // namespace
Var sum(const Var& x, const std::vector<int>& axes, bool keepdim) {
  return record("sum", sum(x.value, axes, keepdim), {x},
                [s = x.shape(), k = with_ones(x.shape(), axes)](const Tensor& gy, Grads& gx) {
                  gx.add(0, gy.reshape(k).expand(s));
                });
}
Var mean(const Var& x, const std::vector<int>& axes, bool keepdim) {
  const Shape k = with_ones(x.shape(), axes);
  const double scale = double(k.numel()) / double(x.numel());
  return record("mean", mean(x.value, axes, keepdim), {x}, [s = x.shape(), k, scale](const Tensor& gy, Grads& gx) {
    gx.add(0, affine(gy.reshape(k), scale, 0).expand(s));
  });
}
namespace {
Var extremum(const char* op, const Var& x, int axis, bool keepdim, bool largest) {
  axis = wrap_axis(axis, x.rank(), op);
  const Tensor at = (largest ? argmax(x.value, axis) : argmin(x.value, axis)).unsqueeze(axis);
  const Var y = gather(x, axis, at);
  return keepdim ? y : reshape(y, y.value.squeeze(axis).shape());
}
}  // namespace
Var max(const Var& x, int axis, bool keepdim) { return extremum("max", x, axis, keepdim, true); }
Var min(const Var& x, int axis, bool keepdim) { return extremum("min", x, axis, keepdim, false); }
Var cumsum(const Var& x, int axis) {
  return record("cumsum", cumsum(x.value, axis), {x},
                [axis](const Tensor& gy, Grads& gx) { gx.add(0, cumsum(gy, axis, true)); });
}
std::pair<Var, Tensor> topk(const Var& x, int64_t k) {
  const Tensor index = topk(x.value, k).second;
  return {gather(x, -1, index), index};
}

// ---- softmax, losses, norms
Var softmax(const Var& x) {
  const Tensor y = softmax(x.value.contiguous());
  return record("softmax", y, {x},
                [y](const Tensor& gy, Grads& gx) { gx.add(0, softmax_backward(gy.contiguous(), y)); });
}
Var log_softmax(const Var& x) {
  const Tensor y = log_softmax(x.value.contiguous());
  return record("log_softmax", y, {x},
                [y](const Tensor& gy, Grads& gx) { gx.add(0, log_softmax_backward(gy.contiguous(), y)); });
}
Var cross_entropy(const Var& logits, const Tensor& target, int ignore_index, double smoothing) {
  const Tensor x = logits.value.contiguous();
  const auto [loss, lse] = cross_entropy(x, target, ignore_index, smoothing);
  return record("cross_entropy", loss, {logits},
                [x, target, lse = lse, ignore_index, smoothing](const Tensor& gy, Grads& gx) {
                  gx.add(0, cross_entropy_backward(gy, x, target, lse, ignore_index, smoothing));
                });
}
Var layer_norm(const Var& x, const Var& weight, const Var& bias, double eps) {
  const Tensor in = x.value.contiguous(), w = packed(weight.value);
  const NormResult r = layer_norm(in, w, packed(bias.value), eps);
  return record("layer_norm", r.y, {x, weight, bias},
                [in, w, mean = r.mean, rstd = r.rstd](const Tensor& gy, Grads& gx) {
                  const Grads::Room gw = gx.room(1, w.shape(), w), gb = gx.room(2, w.shape(), w);
                  const NormRoom room{gw.tensor, gb.tensor};
                  const NormGradients g = layer_norm_backward(gy.contiguous(), in, w, mean, rstd, room);
                  gx.add(0, g.x);
                  gx.put(1, gw);
                  gx.put(2, gb);
                });
}
// The sum's gradient needs the norm's first. It is recorded before the norm and used by nothing between the two, so
// when the norm's backward runs all else has arrived at the sum: the norm takes that over and gives x and branch their
// part, and the sum's own backward is left for a norm that nobody uses.
ResidualNormed add_dropout_norm(const Var& x, const Var& branch, double p, bool training, const Var& weight,
                                const Var& bias, double eps) {
  if (!training) p = 0;
  const Philox random = p > 0 ? default_generator().next() : Philox{};
  const Tensor w = packed(weight.value);
  const ResidualNorm r =
      add_dropout_norm(x.value.contiguous(), branch.value.contiguous(), p, random, w, packed(bias.value), eps);
  const Var sum = record("add_dropout", r.sum, {x, branch}, [p, random](const Tensor& gy, Grads& gx) {
    gx.add(0, gy);
    if (gx.needed(1)) gx.add(1, p > 0 ? dropout(gy, p, random) : gy);
  });
  const auto backward = [sum = r.sum, mean = r.norm.mean, rstd = r.norm.rstd, w, p, random](const Tensor& gy,
                                                                                            Grads& gx) {
    const Tensor got = gx.take(0), gsum = got.defined() ? got.contiguous().to(sum.dtype()) : got;
    const Grads::Room gw = gx.room(3, w.shape(), w), gb = gx.room(4, w.shape(), w);
    const ResidualNormGradients g =
        add_dropout_norm_backward(gsum, gy.contiguous(), sum, p, random, w, mean, rstd, {gw.tensor, gb.tensor});
    gx.add(1, g.x);
    gx.add(2, g.branch);
    gx.put(3, gw);
    gx.put(4, gb);
  };
  return {sum, record("add_dropout_norm", r.norm.y, {sum, x, branch, weight, bias}, backward)};
}
Var rms_norm(const Var& x, const Var& weight, double eps) {
  const Tensor in = x.value.contiguous(), w = packed(weight.value);
  const NormResult r = rms_norm(in, w, eps);
  return record("rms_norm", r.y, {x, weight}, [in, w, rstd = r.rstd](const Tensor& gy, Grads& gx) {
    const Grads::Room gw = gx.room(1, w.shape(), w);
    const NormGradients g = rms_norm_backward(gy.contiguous(), in, w, rstd, {gw.tensor, {}});
    gx.add(0, g.x);
    gx.put(1, gw);
  });
}

// ---- indexing
Var embedding(const Var& weight, const Tensor& ids) {
  return record("embedding", embedding(weight.value, ids), {weight},
                [w = weight.value, ids](const Tensor& gy, Grads& gx) { embedding_backward(gx.buffer(0, w), gy, ids); });
}
Var index_select(const Var& x, int axis, const Tensor& ids) {
  return record("index_select", index_select(x.value, axis, ids), {x},
                [s = x.shape(), axis, ids](const Tensor& gy, Grads& gx) { gx.add(0, index_add(s, axis, ids, gy)); });
}
Var gather(const Var& x, int axis, const Tensor& index) {
  return record("gather", gather(x.value, axis, index), {x}, [s = x.shape(), axis, index](const Tensor& gy, Grads& gx) {
    gx.add(0, scatter_add(s, axis, index, gy));
  });
}
Var scatter_add(const Shape& shape, int axis, const Tensor& index, const Var& values) {
  return record("scatter_add", scatter_add(shape, axis, index, values.value), {values},
                [axis, index](const Tensor& gy, Grads& gx) { gx.add(0, gather(gy, axis, index)); });
}
namespace {
std::vector<Tensor> values_of(const std::vector<Var>& vars) {
  std::vector<Tensor> t;
  for (const Var& v : vars) t.push_back(v.value);
  return t;
}
}  // namespace
Var concat(const std::vector<Var>& parts, int axis) {
  std::vector<int64_t> extents;
  for (const Var& v : parts) extents.push_back(v.size(axis));
  return record("concat", concat(values_of(parts), axis), parts, [extents, axis](const Tensor& gy, Grads& gx) {
    int64_t at = 0;
    for (size_t i = 0; i < extents.size(); ++i) {
      gx.add(i, gy.slice(axis, at, at + extents[i]));
      at += extents[i];
    }
  });
}
Var stack(const std::vector<Var>& parts, int axis) {
  return record("stack", stack(values_of(parts), axis), parts, [axis, n = parts.size()](const Tensor& gy, Grads& gx) {
    for (size_t i = 0; i < n; ++i) gx.add(i, gy.select(axis, int64_t(i)));
  });
}
std::vector<Var> split(const Var& x, int axis, int64_t size) {
  CHECK(size > 0, "[split] size must be positive, is ", size);
  std::vector<Var> parts;
  for (int64_t at = 0; at < x.size(axis); at += size)
    parts.push_back(slice(x, axis, at, std::min(at + size, x.size(axis))));
  return parts;
}

// ---- dropout, attention, quantisation
Var dropout(const Var& x, double p, bool training) {
  if (!training || p == 0) return x;
  const Philox random = default_generator().next();
  return record("dropout", dropout(x.value, p, random), {x},
                [p, random](const Tensor& gy, Grads& gx) { gx.add(0, dropout(gy, p, random)); });
}
Var attention(const Var& q, const Var& k, const Var& v, AttentionOptions o, const Var& bias) {
  CHECK(!o.bias.defined(), "[attention] of Vars takes the bias as an argument, not in its options");
  o.bias = bias.value;
  if (o.dropout > 0) o.random = default_generator().next();
  const AttentionResult r = attention(q.value, k.value, v.value, o);
  return record("attention", r.y, {q, k, v, bias},
                [q = q.value, k = k.value, v = v.value, w = r.weights, o](const Tensor& gy, Grads& gx) {
                  const AttentionGradients g = attention_backward(gy.contiguous(), q, k, v, w, o);
                  gx.add(0, g.q);
                  gx.add(1, g.k);
                  gx.add(2, g.v);
                  if (gx.needed(3)) gx.add(3, g.bias);
                });
}
Var self_attention(const Var& qkv, AttentionOptions o, const Var& bias, bool key_first) {
  CHECK(qkv.rank() == 5 && qkv.size(2) == 3, "[self_attention] qkv must be (batch, time, 3, heads, width), has shape ",
        qkv.shape());
  CHECK(!o.bias.defined(), "[self_attention] of Vars takes the bias as an argument, not in its options");
  o.bias = bias.value;
  if (o.dropout > 0) o.random = default_generator().next();
  const auto parts = [q = int64_t(key_first), k = int64_t(!key_first)](const Tensor& t) {
    return AttentionGradients{t.select(2, q), t.select(2, k), t.select(2, 2), {}};
  };
  const AttentionGradients in = parts(qkv.value);
  const AttentionResult r = attention(in.q, in.k, in.v, o);
  const auto backward = [x = qkv.value, parts, w = r.weights, o](const Tensor& gy, Grads& gx) {
    const Tensor g = Tensor::empty(x.shape(), x.dtype(), x.device());
    const AttentionGradients in = parts(x);
    const Tensor gbias = attention_backward(gy.contiguous(), in.q, in.k, in.v, w, o, parts(g)).bias;
    gx.add(0, g);
    if (gx.needed(1)) gx.add(1, gbias);
  };
  return record("self_attention", r.y, {qkv, bias}, backward);
}
Quantized quantize_straight_through(const Var& x, const Tensor& codebook) {
  const Tensor flat = x.value.contiguous().reshape({-1, codebook.size(1)});
  const Tensor ids = nearest_code(flat, codebook);
  const Tensor codes = embedding(codebook, ids).reshape(x.shape());
  return {record("quantize", codes, {x}, [](const Tensor& gy, Grads& gx) { gx.add(0, gy); }), ids};
}

// The output of fn is computed without recording; its backward runs fn again, recording, from detached inputs and the
// same position of the random generator, and then the backward of that.
Var checkpoint(const std::function<Var(const std::vector<Var>&)>& fn, const std::vector<Var>& inputs) {
  const Generator start = default_generator();
  Tensor value;
  {
    NoGrad guard;
    value = fn(inputs).value;
  }
  std::vector<Tensor> values = values_of(inputs);
  // fn may use parameters that are not among the inputs, so the node must exist even if no input needs a gradient.
  std::vector<Var> recorded = inputs;
  recorded.emplace_back(Tensor::scalar(0), true);
  return record("checkpoint", value, recorded, [fn, values, start](const Tensor& gy, Grads& gx) {
    const Generator now = default_generator();
    default_generator() = start;
    std::vector<Var> fresh;
    for (size_t i = 0; i < values.size(); ++i) fresh.emplace_back(values[i], gx.needed(i));
    {
      EnableGrad guard;
      const Var y = fn(fresh);
      if (y.requires_grad()) backward(y, gy);
    }
    default_generator() = now;
    for (size_t i = 0; i < fresh.size(); ++i)
      if (fresh[i].grad().defined()) gx.add(i, fresh[i].grad());
  });
}

}  // namespace kg
