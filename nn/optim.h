// AdamW (Loshchilov and Hutter 2019) and Adam (Kingma and Ba 2015) over flat buffers. The order of a training step:
//   zero_grad(); backward(loss); clip_grad_norm(1.0); step(schedule(i));
// Every parameter of a group has a gradient (0 where none arrived), so weight decay acts on unused parameters too.
#pragma once

#include "nn/flat.h"

namespace kg {

class AdamW {
 public:
  // `options.weight_decay` is for the first form, which makes one group; groups carry their own.
  AdamW(const Module& module, const AdamOptions& options);
  // `compute`: bf16 to compute with rounded copies of f32 parameters (nn/flat.h).
  AdamW(const std::vector<ParameterGroup>& groups, const AdamOptions& options, std::optional<Dtype> compute = {});
  AdamW(const AdamW&) = delete;
  AdamW& operator=(const AdamW&) = delete;

  void zero_grad();
  // The global norm of the gradients, before clipping. The factor min(1, max_norm / (norm + 1e-6)) is applied by the
  // next step(), without a pass of its own. An Error (diverged) if the norm is not finite.
  double clip_grad_norm(double max_norm);
  // The same without waiting for the device, for a step() that takes the scale: f32 () tensors there. When the norm is
  // not finite that step changes nothing; whoever reads it calls fail_diverged().
  struct Clip {
    Tensor squared_norm, scale;
  };
  Clip clip_grad_norm_on_device(double max_norm) const;
  [[noreturn]] void fail_diverged() const;  // names the first parameter whose gradient is not finite
  void step(double lr, const Tensor& scale = {});
  void step() { step(options_.lr); }

  int64_t steps_done() const { return steps_; }
  const AdamOptions& options() const { return options_; }
  const FlatParameters& parameters() const { return parameters_; }

  // "m.NAME" and "v.NAME" in the parameter's shape, and "step", i32 (1). The tensors of m and v share memory.
  NamedTensors state() const;
  void load_state(const NamedTensors& entries, const std::string& source);

 private:
  FlatParameters parameters_;
  AdamOptions options_;
  Tensor m_, v_;
  int64_t steps_ = 0;
  double grad_scale_ = 1;
};

// Weight decay added to the gradient instead of taken off the weight.
class Adam : public AdamW {
 public:
  Adam(const Module& module, const AdamOptions& options) : AdamW(module, coupled(options)) {}
  Adam(const std::vector<ParameterGroup>& groups, const AdamOptions& options) : AdamW(groups, coupled(options)) {}

 private:
  static AdamOptions coupled(AdamOptions options) {
    options.decoupled = false;
    return options;
  }
};

}  // namespace kg
