// Reductions: any set of axes is brought to (rows, n) or (n, columns), then one kernel sums.
#include <algorithm>

#include "tensor/cpu/reduce.h"
#include "tensor/dispatch.h"
#include "tensor/ops.h"

namespace kg {
namespace {

// x seen with its kept axes together and its reduced axes together, in the order that needs no copy where there is one.
struct Reduction {
  Tensor view;  // (kept, reduced) or (reduced, kept), contiguous
  bool reduced_first = false;
  Shape result, result_keepdim;
  int64_t count = 1;  // elements summed into one
};

Reduction plan(const Tensor& x, const std::vector<int>& axes, const char* op) {
  std::array<bool, kMaxRank> reduced{};
  for (int axis : axes) reduced[size_t(wrap_axis(axis, x.rank(), op))] = true;
  Reduction r;
  for (int i = 0; i < x.rank(); ++i) {
    if (axes.empty()) reduced[size_t(i)] = true;
    r.result_keepdim.push_back(reduced[size_t(i)] ? 1 : x.shape()[i]);
    if (reduced[size_t(i)])
      r.count *= x.shape()[i];
    else
      r.result.push_back(x.shape()[i]);
  }
  auto arranged = [&](bool reduced_first) {
    Shape shape, strides;
    for (bool want : {reduced_first, !reduced_first})
      for (int i = 0; i < x.rank(); ++i)
        if (reduced[size_t(i)] == want) shape.push_back(x.shape()[i]), strides.push_back(x.strides()[i]);
    return Tensor::view_of(x.storage(), x.offset(), shape, strides, x.dtype());
  };
  const int64_t kept = r.result.numel();
  r.view = arranged(true);
  r.reduced_first = kept > 1 && r.view.is_contiguous();
  if (!r.reduced_first) r.view = arranged(false).contiguous();
  r.view = r.view.reshape(r.reduced_first ? Shape{r.count, kept} : Shape{kept, r.count});
  return r;
}

void run(const Reduction& r, const Tensor& out, const Tensor& x, double scale) {
  if (r.count == 0)
    out.fill(0);
  else if (out.numel() > 0 && r.reduced_first)
    DISPATCH(x.device(), sum_columns, out, r.view, scale);
  else if (out.numel() > 0)
    DISPATCH(x.device(), sum_rows, out, r.view, scale);
}

Tensor sum_scaled(const Tensor& x, const std::vector<int>& axes, bool keepdim, bool average, Dtype dtype) {
  const Reduction r = plan(x, axes, average ? "mean" : "sum");
  CHECK(!average || r.count > 0, "[mean] over no elements, shape ", x.shape());
  const Tensor out = Tensor::empty(keepdim ? r.result_keepdim : r.result, dtype, x.device());
  run(r, out, x, average ? 1.0 / double(r.count) : 1.0);
  return out;
}

Tensor extremum_index(const Tensor& x, int axis, bool largest) {
  const char* op = largest ? "argmax" : "argmin";
  axis = wrap_axis(axis, x.rank(), op);
  CHECK(x.shape()[axis] > 0, "[", op, "] over no elements, shape ", x.shape());
  Shape shape = x.shape();
  shape.erase(axis);
  const Tensor index = Tensor::empty(shape, Dtype::i32, x.device());
  if (index.numel()) DISPATCH(x.device(), arg_extremum, index, around(x.contiguous(), axis), largest);
  return index;
}

Tensor extremum(const Tensor& x, int axis, bool keepdim, bool largest) {
  axis = wrap_axis(axis, x.rank(), largest ? "max" : "min");
  const Tensor y = gather(x, axis, extremum_index(x, axis, largest).unsqueeze(axis));
  return keepdim ? y : y.squeeze(axis);
}

}  // namespace

Tensor sum(const Tensor& x, const std::vector<int>& axes, bool keepdim) {
  return sum_scaled(x, axes, keepdim, false, x.dtype());
}
Tensor sum_accumulated(const Tensor& x, const std::vector<int>& axes) {
  return sum_scaled(x, axes, false, false, accumulator(x.dtype()));
}
void sum_into(const Tensor& out, const Tensor& x, const std::vector<int>& axes) {
  const Reduction r = plan(x, axes, "sum_into");
  CHECK(out.defined() && out.shape() == r.result && out.is_contiguous() && out.dtype() == accumulator(x.dtype()) &&
            out.device() == x.device(),
        "[sum_into] out must be a contiguous ", name_of(accumulator(x.dtype())), " ", r.result, " beside x");
  out.bump_version();
  run(r, out, x, 1);
}
Tensor mean(const Tensor& x, const std::vector<int>& axes, bool keepdim) {
  return sum_scaled(x, axes, keepdim, true, x.dtype());
}
Tensor max(const Tensor& x, int axis, bool keepdim) { return extremum(x, axis, keepdim, true); }
Tensor min(const Tensor& x, int axis, bool keepdim) { return extremum(x, axis, keepdim, false); }
Tensor argmax(const Tensor& x, int axis) { return extremum_index(x, axis, true); }
Tensor argmin(const Tensor& x, int axis) { return extremum_index(x, axis, false); }

std::pair<Tensor, Tensor> topk(const Tensor& x, int64_t k) {
  CHECK(x.rank() >= 1 && k >= 0 && k <= x.size(-1), "[topk] k = ", k, " for shape ", x.shape());
  Shape shape = x.shape();
  shape[shape.rank() - 1] = k;
  const Tensor values = Tensor::empty(shape, x.dtype(), x.device()),
               index = Tensor::empty(shape, Dtype::i32, x.device());
  if (values.numel()) {
    const int64_t n = x.size(-1);
    DISPATCH(x.device(), topk_rows, values.reshape({-1, k}), index.reshape({-1, k}), x.contiguous().reshape({-1, n}));
  }
  return {values, index};
}

Tensor cumsum(const Tensor& x, int axis, bool reverse) {
  axis = wrap_axis(axis, x.rank(), "cumsum");
  const Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  if (x.numel()) DISPATCH(x.device(), cumsum_forward, around(y, axis), around(x.contiguous(), axis), reverse);
  return y;
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  std::vector<int> axes;
  const int extra = x.rank() - shape.rank();
  for (int i = 0; i < x.rank(); ++i)
    if (i < extra || (shape[i - extra] == 1 && x.shape()[i] != 1)) axes.push_back(i);
  return (axes.empty() ? x : sum(x, axes, true)).reshape(shape);
}

double squared_norm(const Tensor& x) { return x.numel() ? DISPATCH(x.device(), squared_norm, x.contiguous()) : 0; }
Tensor squared_norm_on_device(const Tensor& x) { return DISPATCH(x.device(), squared_norm_on_device, x.contiguous()); }
bool all_finite(const Tensor& x) { return x.numel() == 0 || DISPATCH(x.device(), all_finite, x.contiguous()); }

}  // namespace kg
