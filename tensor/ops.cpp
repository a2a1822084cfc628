// Softmax, norms, indexing, dropout and the optimiser step: checks, allocation and dispatch. The other families stand
// in ops_pointwise.cpp, ops_reduce.cpp and ops_matmul.cpp.
#include "tensor/ops.h"

#include "tensor/cpu/dropout.h"
#include "tensor/cpu/index.h"
#include "tensor/cpu/norm.h"
#include "tensor/cpu/optim.h"
#include "tensor/cpu/reduce.h"
#include "tensor/cpu/softmax.h"
#include "tensor/dispatch.h"

namespace kg {
namespace {

// (..., n) as (R, n); must be contiguous.
Tensor rows(const Tensor& x, const char* op) {
  CHECK(x.rank() >= 1, "[", op, "] input must have at least one axis");
  CHECK(x.is_contiguous(), "[", op, "] input must be contiguous, has shape ", x.shape(), " and strides ", x.strides());
  const int64_t n = x.size(-1);
  return x.reshape({n > 0 ? x.numel() / n : 0, n});
}
void check_vector(const char* op, const char* what, const Tensor& t, int64_t n) {
  CHECK(t.rank() == 1 && t.numel() == n, "[", op, "] ", what, " must have ", n, " elements, has shape ", t.shape());
  CHECK(t.is_contiguous(), "[", op, "] ", what, " must be contiguous, has strides ", t.strides());
}
void check_ids(const char* op, const Tensor& ids, int64_t n) {
  CHECK(ids.dtype() == Dtype::i32 && ids.is_contiguous(), "[", op, "] indices must be contiguous i32");
  for (int64_t i = 0; ids.device() == Device::cpu && i < ids.numel(); ++i) {
    const int32_t id = ids.data<int32_t>()[i];
    CHECK(id >= 0 && id < n, "[", op, "] index ", id, " at place ", i, " is outside 0..", n - 1);
  }
}
Shape with_extent(Shape shape, int axis, int64_t extent) {
  shape[axis] = extent;
  return shape;
}
// index must have x's shape but for the axis
void check_gather(const char* op, const Shape& x, const Shape& index, int axis) {
  CHECK(x.rank() == index.rank() && with_extent(x, axis, 1) == with_extent(index, axis, 1), "[", op, "] index ", index,
        " must have the shape ", x, " but for axis ", axis);
}

}  // namespace

Tensor softmax(const Tensor& x) {
  const Tensor y = empty_like(x);
  if (x.numel()) DISPATCH(x.device(), softmax_forward, rows(y, "softmax"), rows(x, "softmax"));
  return y;
}
Tensor softmax_backward(const Tensor& gy, const Tensor& y) {
  const Tensor gx = empty_like(y);
  if (y.numel()) DISPATCH(y.device(), softmax_backward, rows(gx, "softmax"), rows(gy, "softmax"), rows(y, "softmax"));
  return gx;
}
Tensor log_softmax(const Tensor& x) {
  const Tensor y = empty_like(x);
  if (x.numel()) DISPATCH(x.device(), log_softmax_forward, rows(y, "log_softmax"), rows(x, "log_softmax"));
  return y;
}
Tensor log_softmax_backward(const Tensor& gy, const Tensor& y) {
  const Tensor gx = empty_like(y);
  if (y.numel())
    DISPATCH(y.device(), log_softmax_backward, rows(gx, "log_softmax"), rows(gy, "log_softmax"),
             rows(y, "log_softmax"));
  return gx;
}

std::pair<Tensor, Tensor> cross_entropy(const Tensor& logits, const Tensor& target, int ignore_index,
                                        double smoothing) {
  CHECK(logits.rank() == 2 && logits.is_contiguous(), "[cross_entropy] logits must be contiguous (N, K), have shape ",
        logits.shape());
  check_vector("cross_entropy", "target", target, logits.size(0));
  CHECK(target.dtype() == Dtype::i32, "[cross_entropy] target must be i32, is ", name_of(target.dtype()));
  for (int64_t i = 0; target.device() == Device::cpu && i < target.numel(); ++i) {
    const int32_t id = target.data<int32_t>()[i];
    CHECK(id == ignore_index || (id >= 0 && id < logits.size(1)), "[cross_entropy] target ", id, " of row ", i,
          " is outside 0..", logits.size(1) - 1);
  }
  const Tensor loss = Tensor::empty({logits.size(0)}, accumulator(logits.dtype()), logits.device());
  const Tensor lse = empty_like(loss);
  if (logits.numel())
    DISPATCH(logits.device(), cross_entropy_forward, loss, lse, logits, target, ignore_index, smoothing);
  return {loss, lse};
}
Tensor cross_entropy_backward(const Tensor& gy, const Tensor& logits, const Tensor& target, const Tensor& logsumexp,
                              int ignore_index, double smoothing) {
  const Tensor gx = empty_like(logits);
  if (logits.numel())
    DISPATCH(logits.device(), cross_entropy_backward, gx, gy.contiguous(), logits, target, logsumexp, ignore_index,
             smoothing);
  return gx;
}

namespace {
NormResult norm(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, bool centred) {
  const Tensor in = rows(x, op);
  check_vector(op, "weight", weight, in.size(1));
  if (bias.defined()) check_vector(op, "bias", bias, in.size(1));
  NormResult r{empty_like(x), {}, Tensor::empty({in.size(0)}, accumulator(x.dtype()), x.device())};
  if (centred) r.mean = empty_like(r.rstd);
  if (x.numel()) DISPATCH(x.device(), norm_forward, rows(r.y, op), r.mean, r.rstd, in, weight, bias, eps);
  return r;
}
// What is given, checked, or what is made.
Tensor vector_room(const char* op, const Tensor& given, const Tensor& weight) {
  const Dtype dtype = accumulator(weight.dtype());
  if (!given.defined()) return Tensor::empty(weight.shape(), dtype, weight.device());
  check_vector(op, "the gradient of weight or bias", given, weight.numel());
  CHECK(given.dtype() == dtype && given.device() == weight.device(), "[", op, "] the gradient of weight or bias is ",
        name_of(given.dtype()), ", expected ", name_of(dtype), " beside the weight");
  given.bump_version();
  return given;
}
NormGradients norm_gradients(const char* op, const Tensor& gy, const Tensor& x, const Tensor& weight,
                             const Tensor& mean, const Tensor& rstd, const NormRoom& room, bool biased) {
  NormGradients g{empty_like(x), vector_room(op, room.weight, weight), {}};
  if (biased) g.bias = vector_room(op, room.bias, weight);
  if (x.numel()) {
    DISPATCH(x.device(), norm_backward, rows(g.x, op), g.weight, g.bias, rows(gy, op), rows(x, op), weight, mean, rstd);
    return g;
  }
  g.weight.fill(0);
  if (biased) g.bias.fill(0);
  return g;
}
}  // namespace

NormResult layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  return norm("layer_norm", x, weight, bias, eps, true);
}
NormGradients layer_norm_backward(const Tensor& gy, const Tensor& x, const Tensor& weight, const Tensor& mean,
                                  const Tensor& rstd, const NormRoom& room) {
  return norm_gradients("layer_norm", gy, x, weight, mean, rstd, room, true);
}
NormResult rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  return norm("rms_norm", x, weight, {}, eps, false);
}
NormGradients rms_norm_backward(const Tensor& gy, const Tensor& x, const Tensor& weight, const Tensor& rstd,
                                const NormRoom& room) {
  return norm_gradients("rms_norm", gy, x, weight, {}, rstd, room, false);
}

ResidualNorm add_dropout_norm(const Tensor& x, const Tensor& branch, double p, Philox random, const Tensor& weight,
                              const Tensor& bias, double eps) {
  const char* op = "add_dropout_norm";
  CHECK(p >= 0 && p < 1, "[", op, "] p must be in [0, 1), is ", p);
  CHECK(x.shape() == branch.shape() && x.dtype() == branch.dtype() && x.device() == branch.device(), "[", op,
        "] x and branch must be alike, are ", name_of(x.dtype()), " ", x.shape(), " and ", name_of(branch.dtype()), " ",
        branch.shape());
  const Tensor in = rows(x, op), more = rows(branch, op);
  check_vector(op, "weight", weight, in.size(1));
  check_vector(op, "bias", bias, in.size(1));
  const Tensor rstd = Tensor::empty({in.size(0)}, accumulator(x.dtype()), x.device());
  const ResidualNorm r{empty_like(x), {empty_like(x), empty_like(rstd), rstd}};
  if (x.numel())
    DISPATCH(x.device(), add_dropout_norm_forward, rows(r.sum, op), rows(r.norm.y, op), r.norm.mean, r.norm.rstd, in,
             more, weight, bias, p, random, eps);
  return r;
}
ResidualNormGradients add_dropout_norm_backward(const Tensor& gsum, const Tensor& gy, const Tensor& sum, double p,
                                                Philox random, const Tensor& weight, const Tensor& mean,
                                                const Tensor& rstd, const NormRoom& room) {
  const char* op = "add_dropout_norm_backward";
  const Tensor gx = empty_like(sum), gbranch = p > 0 ? empty_like(sum) : gx;
  const ResidualNormGradients g{gx, gbranch, vector_room(op, room.weight, weight), vector_room(op, room.bias, weight)};
  if (sum.numel() == 0) {
    g.weight.fill(0), g.bias.fill(0);
    return g;
  }
  DISPATCH(sum.device(), add_dropout_norm_backward, rows(gx, op), p > 0 ? rows(gbranch, op) : Tensor{}, g.weight,
           g.bias, gsum.defined() ? rows(gsum, op) : gsum, rows(gy, op), rows(sum, op), weight, mean, rstd, p, random);
  return g;
}

Tensor embedding(const Tensor& weight, const Tensor& ids) {
  CHECK(weight.rank() == 2, "[embedding] weight must be (V, C), has shape ", weight.shape());
  Shape shape = ids.shape();
  shape.push_back(weight.size(1));
  return index_select(weight, 0, ids.reshape({ids.numel()})).reshape(shape);
}
void embedding_backward(const Tensor& gweight, const Tensor& gy, const Tensor& ids) {
  const Tensor at = ids.reshape({ids.numel()}), rows = gy.contiguous().reshape({1, ids.numel(), gweight.size(1)});
  if (gy.numel() == 0) return;
  if (!gweight.is_contiguous()) return add_(gweight, index_add(gweight.shape(), 0, at, rows.squeeze(0)));
  gweight.bump_version();
  DISPATCH(gy.device(), index_add_inplace, gweight.unsqueeze(0), at, rows);
}
Tensor embedding_rows(const Tensor& first, const Tensor& table, const Tensor& ids, const Tensor& places,
                      const Tensor& position) {
  const char* op = "embedding_rows";
  CHECK(first.rank() == 2 && table.rank() == 2 && places.rank() == 2 && table.size(1) == first.size(1) &&
            places.size(1) == first.size(1) && ids.shape() == (Shape{first.size(0)}),
        "[embedding_rows] needs first (N, C), table (V, C), ids (N) and places (T, C), got ", first.shape(), ", ",
        table.shape(), ", ", ids.shape(), " and ", places.shape());
  CHECK(table.dtype() == first.dtype() && places.dtype() == first.dtype(),
        "[embedding_rows] first, table and places are ", name_of(first.dtype()), ", ", name_of(table.dtype()), " and ",
        name_of(places.dtype()), "; they must be alike");
  CHECK(position.dtype() == Dtype::i32 && position.numel() == 1 && position.device() == first.device(),
        "[embedding_rows] position must be one i32 on the device of the rows");
  CHECK(ids.dtype() == Dtype::i32, "[embedding_rows] ids must be i32, are ", name_of(ids.dtype()));
  for (const Tensor* t : {&first, &table, &ids, &places})
    CHECK(t->is_contiguous(), "[embedding_rows] every tensor must be contiguous, one has strides ", t->strides());
  if (first.device() == Device::cpu && position.data<int32_t>()[0] > 0) check_ids(op, ids, table.size(0));
  const Tensor y = empty_like(first);
  if (y.numel()) DISPATCH(y.device(), embedding_rows_forward, y, first, table, ids, places, position);
  return y;
}
Tensor index_select(const Tensor& x, int axis, const Tensor& ids) {
  axis = wrap_axis(axis, x.rank(), "index_select");
  CHECK(ids.rank() == 1, "[index_select] indices must have one axis, have shape ", ids.shape());
  check_ids("index_select", ids, x.shape()[axis]);
  const Tensor y = Tensor::empty(with_extent(x.shape(), axis, ids.numel()), x.dtype(), x.device());
  if (y.numel()) DISPATCH(x.device(), index_select_forward, around(y, axis), around(x.contiguous(), axis), ids);
  return y;
}
Tensor index_add(const Shape& shape, int axis, const Tensor& ids, const Tensor& values) {
  axis = wrap_axis(axis, shape.rank(), "index_add");
  check_ids("index_add", ids, shape[axis]);
  CHECK(values.shape() == with_extent(shape, axis, ids.numel()), "[index_add] values ", values.shape(), " do not fit ",
        shape, " along axis ", axis, " with ", ids.numel(), " indices");
  const Tensor out = Tensor::zeros(shape, values.dtype(), values.device());
  if (values.numel())
    DISPATCH(out.device(), index_add_inplace, around(out, axis), ids, around(values.contiguous(), axis));
  return out;
}
Tensor gather(const Tensor& x, int axis, const Tensor& index) {
  axis = wrap_axis(axis, x.rank(), "gather");
  check_gather("gather", x.shape(), index.shape(), axis);
  check_ids("gather", index, x.shape()[axis]);
  const Tensor y = Tensor::empty(index.shape(), x.dtype(), x.device());
  if (y.numel())
    DISPATCH(x.device(), gather_forward, around(y, axis), around(x.contiguous(), axis), around(index, axis));
  return y;
}
Tensor scatter_add(const Shape& shape, int axis, const Tensor& index, const Tensor& values) {
  axis = wrap_axis(axis, shape.rank(), "scatter_add");
  check_gather("scatter_add", shape, index.shape(), axis);
  CHECK(values.shape() == index.shape(), "[scatter_add] values ", values.shape(), " and index ", index.shape(),
        " differ");
  check_ids("scatter_add", index, shape[axis]);
  const Tensor out = Tensor::zeros(shape, values.dtype(), values.device());
  if (values.numel())
    DISPATCH(out.device(), scatter_add_inplace, around(out, axis), around(index, axis),
             around(values.contiguous(), axis));
  return out;
}
Tensor concat(const std::vector<Tensor>& parts, int axis) {
  CHECK(!parts.empty(), "[concat] no tensors");
  axis = wrap_axis(axis, parts[0].rank(), "concat");
  int64_t extent = 0;
  for (const Tensor& t : parts) {
    CHECK(t.rank() == parts[0].rank() && with_extent(t.shape(), axis, 1) == with_extent(parts[0].shape(), axis, 1),
          "[concat] shapes ", parts[0].shape(), " and ", t.shape(), " differ besides axis ", axis);
    extent += t.shape()[axis];
  }
  const Tensor out = Tensor::empty(with_extent(parts[0].shape(), axis, extent), parts[0].dtype(), parts[0].device());
  int64_t at = 0;
  for (const Tensor& t : parts) {
    out.slice(axis, at, at + t.shape()[axis]).copy_from(t);
    at += t.shape()[axis];
  }
  return out;
}
Tensor stack(const std::vector<Tensor>& parts, int axis) {
  CHECK(!parts.empty(), "[stack] no tensors");
  std::vector<Tensor> slices;
  for (const Tensor& t : parts) slices.push_back(t.unsqueeze(axis));
  return concat(slices, axis);
}

Tensor dropout(const Tensor& x, double p, Philox random) {
  CHECK(p >= 0 && p < 1, "[dropout] p must be in [0, 1), is ", p);
  const Tensor in = x.contiguous(), y = empty_like(in);
  if (x.numel()) DISPATCH(x.device(), dropout_forward, y, in, p, random);
  return y;
}

Tensor clip_scale(const Tensor& squared_norm, double max_norm) {
  return DISPATCH(squared_norm.device(), clip_scale, squared_norm, max_norm);
}
void adam_step(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v, int64_t t,
               const AdamOptions& options, double grad_scale, const Tensor& scale, const Tensor& half) {
  for (const Tensor* x : {&p, &g, &m, &v})
    CHECK(x->is_contiguous() && x->numel() == p.numel() && x->dtype() == p.dtype(),
          "[adam_step] parameters, gradients and moments must be contiguous and alike");
  CHECK(t >= 1, "[adam_step] step number must be at least 1, is ", t);
  if (p.numel() == 0) return;
  CHECK(!scale.defined() || (scale.numel() == 1 && scale.dtype() == Dtype::f32 && scale.device() == p.device()),
        "[adam_step] scale must be one f32 beside the parameters");
  CHECK(!half.defined() || (half.shape() == p.shape() && half.dtype() == Dtype::bf16 && half.is_contiguous()),
        "[adam_step] half must be a contiguous bf16 tensor like the parameters");
  for (const Tensor* x : {&p, &m, &v}) x->bump_version();
  DISPATCH(p.device(), adam_step, p, g, m, v, t, options, grad_scale, scale, half);
}

}  // namespace kg
