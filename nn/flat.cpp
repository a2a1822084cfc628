#include "nn/flat.h"

#include <set>

#include "nn/layout.h"

namespace kg {
namespace {
constexpr int64_t kAlignment = 16;
int64_t aligned(int64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }
}  // namespace

FlatParameters::FlatParameters(const std::vector<ParameterGroup>& groups, std::optional<Dtype> compute) {
  int64_t end = 0;
  std::set<const Meta*> seen;
  for (const ParameterGroup& group : groups) {
    const int64_t begin = end;
    for (const auto& [name, parameter] : group.parameters) {
      if (!parameter->requires_grad()) continue;
      CHECK(seen.insert(parameter->meta.get()).second, "[optimizer] parameter '", name, "' is given twice");
      add(name, parameter, end);
      end += aligned(parameter->numel());
    }
    groups_.push_back({begin, end, group.weight_decay, group.lr_scale});
  }
  CHECK(!entries_.empty(), "[optimizer] there is no parameter that requires a gradient");
  const Tensor& first = entries_[0].parameter->value;
  values_ = Tensor::zeros({end}, first.dtype(), first.device());
  gradients_ = Tensor::zeros({end}, first.dtype(), first.device());
  for (const auto& [name, parameter, begin] : entries_) {
    const Tensor value = cut_like(values_, begin, parameter->value);
    const Tensor gradient = cut_like(gradients_, begin, parameter->value);
    value.copy_from(parameter->value);
    if (parameter->grad().defined()) gradient.copy_from(parameter->grad());
    parameter->value = value;
    parameter->meta->grad = gradient;
    parameter->meta->owned = true;  // backward adds to it in place
  }
  if (!compute || *compute == values_.dtype()) return;
  CHECK(*compute == Dtype::bf16 && values_.dtype() == Dtype::f32, "[optimizer] parameters of ",
        name_of(values_.dtype()), " cannot be computed with in ", name_of(*compute));
  working_ = Tensor::zeros({end}, *compute, values_.device());
  use_values(false);
}

void FlatParameters::clear_gradients() const {
  for (const Entry& entry : entries_) entry.parameter->meta->stale = true;
}

// One fill for each run of parameters that backward did not reach.
const Tensor& FlatParameters::gradients() const {
  const size_t count = entries_.size();
  for (size_t i = 0; i < count; ++i) {
    size_t end = i;
    while (end < count && entries_[end].parameter->meta->stale) entries_[end++].parameter->meta->stale = false;
    if (end == i) continue;
    gradients_.slice(0, entries_[i].begin, end < count ? entries_[end].begin : gradients_.numel()).fill(0);
    i = end;
  }
  return gradients_;
}

void FlatParameters::use_values(bool on) const {
  if (!working_.defined()) return;
  const Tensor& flat = on ? values_ : working_;
  if (!on) working_.copy_from(values_);
  for (const auto& [name, parameter, begin] : entries_) parameter->value = cut_like(flat, begin, parameter->value);
}

void FlatParameters::add(const std::string& name, Var* parameter, int64_t begin) {
  const Tensor& value = parameter->value;
  CHECK(is_dense(value), "[optimizer] parameter '", name, "' must fill its memory without gaps");
  if (!entries_.empty()) {
    const Tensor& first = entries_[0].parameter->value;
    CHECK(value.dtype() == first.dtype() && value.device() == first.device(), "[optimizer] parameter '", name, "' is ",
          name_of(value.dtype()), ", '", entries_[0].name, "' is ", name_of(first.dtype()),
          "; all must have one dtype and device");
  }
  entries_.push_back({name, parameter, begin});
}

NamedTensors FlatParameters::cut(const Tensor& flat, const std::string& prefix) const {
  CHECK(flat.shape() == values_.shape() && flat.is_contiguous(), "[optimizer] a flat buffer has shape ",
        values_.shape(), ", got ", flat.shape());
  NamedTensors parts;
  for (const auto& [name, parameter, begin] : entries_)
    parts.emplace_back(prefix + name, cut_like(flat, begin, parameter->value));
  return parts;
}

std::string FlatParameters::first_not_finite(const Tensor& flat) const {
  if (all_finite(flat)) return "";
  for (const auto& [name, parameter, begin] : entries_)
    if (!all_finite(flat.slice(0, begin, begin + parameter->numel()))) return name;
  return "";
}

void FlatParameters::check_bound() const {
  for (const auto& [name, parameter, begin] : entries_) {
    const Tensor& grad = parameter->meta->grad;
    const Tensor& flat = working_.defined() ? working_ : values_;
    CHECK(parameter->value.storage() == flat.storage() && grad.defined() && grad.storage() == gradients_.storage(),
          "[optimizer] parameter '", name,
          "' no longer lies in this optimizer's buffer: to() was called or another optimizer was made after it");
  }
}

}  // namespace kg
