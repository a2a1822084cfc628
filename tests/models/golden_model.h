// A model held against a golden file that PyTorch made (tests/golden/make_*_golden.py): weights in by name; gradients and three
// optimizer steps out.
#pragma once

#include <map>

#include "nn/optim.h"
#include "tests/golden/golden.h"

namespace kg {

struct Tolerance {
  Dtype dtype;
  double forward, gradient;
};
inline const std::vector<Tolerance> kTolerances = {{Dtype::f64, 1e-9, 1e-9}, {Dtype::f32, 1e-5, 1e-4}};

// Converts the model and loads w.NAME for every parameter, `buffers` for the rest. Strict in both directions.
inline void load_golden(Module& model, const Golden& golden, Dtype dtype, const NamedTensors& buffers = {}) {
  model.to(dtype);
  NamedTensors entries;
  for (const auto& [name, tensor] : golden.file().tensors)
    if (name.starts_with("w.")) entries.emplace_back(name.substr(2), tensor.to(dtype));
  entries.insert(entries.end(), buffers.begin(), buffers.end());
  model.load_state_dict(entries, "the golden file");
}

// Every g.NAME of the file. A gradient that is zero but for rounding is measured against `floor`.
inline void expect_golden_gradients(const Module& model, const Golden& golden, double tolerance, int at_least = 61,
                                    double floor = 1e-3) {
  std::map<std::string, Var*> parameters;
  for (auto& [name, parameter] : model.named_parameters()) parameters[name] = parameter;
  int compared = 0;
  for (const auto& [name, want] : golden.file().tensors) {
    if (!name.starts_with("g.")) continue;
    ASSERT_TRUE(parameters.contains(name.substr(2))) << name;
    EXPECT_LT(relative_error(parameters[name.substr(2)]->grad(), want, floor), tolerance) << name;
    ++compared;
  }
  EXPECT_GE(compared, at_least);
}

// The parameters after step `step` (0, 1, 2), as differences from their start: in f64 within 1e-6 of a step's size,
// which is the rounding of the stored differences. In f32 the parameters' own rounding is up to 1e-3 of a step, and
// gradients near zero make steps of their own: within 1e-5 of the parameters.
inline void expect_golden_step(const Module& model, const Golden& golden, int step, double lr, Dtype dtype,
                               int at_least = 61) {
  int compared = 0;
  for (auto& [name, parameter] : model.named_parameters()) {
    const std::string stored = "delta." + std::to_string(step) + "." + name;
    if (!golden.has(stored)) continue;
    ++compared;
    const Tensor start = golden.get("w." + name, Dtype::f64), delta = golden.get(stored, Dtype::f64);
    if (dtype == Dtype::f64) {
      EXPECT_LT(relative_error(sub(parameter->value, start), delta, lr), 1e-6) << stored;
    } else if (!name.ends_with("key.bias")) {  // its gradient is zero but for rounding, and AdamW scales that up
      EXPECT_LT(relative_error(parameter->value, add(start, delta)), 1e-5) << stored;
    }
  }
  EXPECT_GE(compared, at_least);
}

}  // namespace kg
