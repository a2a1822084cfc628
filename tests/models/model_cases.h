// The table of whole models: each at a tiny size in f64, with a loss as in training, whose gradient is checked against
// central differences. Tests and the program gradcheck run it; a new system adds a row.
#pragma once

#include <memory>

#include "autograd/gradcheck.h"
#include "nn/module.h"

namespace kg {

// A model's loss as a function of its parameters. It keeps the model alive.
struct ModelLoss {
  std::function<Var()> loss;
  std::vector<Var*> parameters;
};
struct ModelCase {
  std::string system, part;
  std::function<ModelLoss()> make;
  double tolerance = 1e-9;  // of gradcheck(): at most a hundred times the error that it finds

  std::string name() const { return system + ": " + part; }
};
const std::vector<ModelCase>& model_cases();

GradcheckResult check(const ModelCase& model);

}  // namespace kg
