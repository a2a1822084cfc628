#include "nn/optim.h"

#include <algorithm>
#include <cmath>

namespace kg {

AdamW::AdamW(const Module& module, const AdamOptions& options)
    : AdamW({{.parameters = module.named_parameters(), .weight_decay = options.weight_decay}}, options) {}
AdamW::AdamW(const std::vector<ParameterGroup>& groups, const AdamOptions& options, std::optional<Dtype> compute)
    : parameters_(groups, compute),
      options_(options),
      m_(zeros_like(parameters_.values())),
      v_(zeros_like(parameters_.values())) {
  CHECK(options.beta1 >= 0 && options.beta1 < 1 && options.beta2 >= 0 && options.beta2 < 1 && options.eps > 0,
        "[adamw] betas must be in [0, 1) and eps positive, are ", options.beta1, ", ", options.beta2, ", ",
        options.eps);
}

void AdamW::zero_grad() {
  parameters_.check_bound();
  parameters_.clear_gradients();
  grad_scale_ = 1;
}

void AdamW::fail_diverged() const {
  const std::string name = parameters_.first_not_finite(parameters_.gradients());
  fail(ErrorCode::diverged, "[adamw] step ", steps_ + 1, ": ",
       name.empty() ? "the norm of the gradients overflows" : "the gradient of '" + name + "' is not finite",
       "; training diverged. Lower the learning rate, clip the gradients, or look for bad values in the data");
}
double AdamW::clip_grad_norm(double max_norm) {
  CHECK(max_norm > 0, "[adamw] max_norm must be positive, is ", max_norm);
  const double norm = std::sqrt(squared_norm(parameters_.gradients()));
  if (!std::isfinite(norm)) fail_diverged();
  grad_scale_ = std::min(1.0, max_norm / (norm + 1e-6));
  return norm;
}
AdamW::Clip AdamW::clip_grad_norm_on_device(double max_norm) const {
  CHECK(max_norm > 0, "[adamw] max_norm must be positive, is ", max_norm);
  const Tensor squared = squared_norm_on_device(parameters_.gradients());
  return {squared, clip_scale(squared, max_norm)};
}

void AdamW::step(double lr, const Tensor& scale) {
  parameters_.check_bound();
  ++steps_;
  for (const auto& group : parameters_.groups()) {
    if (group.begin == group.end) continue;
    AdamOptions options = options_;
    options.lr = lr * group.lr_scale;
    options.weight_decay = group.weight_decay;
    const auto part = [&](const Tensor& flat) { return flat.slice(0, group.begin, group.end); };
    const Tensor& working = parameters_.working();
    adam_step(part(parameters_.values()), part(parameters_.gradients()), part(m_), part(v_), steps_, options,
              grad_scale_, scale, working.defined() ? part(working) : Tensor());
  }
  grad_scale_ = 1;
}

NamedTensors AdamW::state() const {
  NamedTensors state = parameters_.cut(m_, "m.");
  for (auto& entry : parameters_.cut(v_, "v.")) state.push_back(std::move(entry));
  state.emplace_back("step", Tensor::from<int32_t>({int32_t(steps_)}, {1}));
  return state;
}
void AdamW::load_state(const NamedTensors& entries, const std::string& source) {
  const NamedTensors own = state();
  load_strict(own, entries, source);
  steps_ = int64_t(own.back().second.item());
}

}  // namespace kg
