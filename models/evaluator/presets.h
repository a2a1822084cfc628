// Sizes and training recipes of the evaluator. `paper` is Guo et al. 2022 as released; `small` and `tiny` are the same
// networks made narrower, with shorter recipes, for CPUs.
#pragma once

#include "models/evaluator/evaluator.h"

namespace kg {

// One stage: as many steps as said, or, where that is 0, as many as the epochs have.
struct EvaluatorStage {
  int64_t batch = 0, iters = 0, epochs = 0, warm_up = 0;
  double lr = 1e-4;
  std::string schedule = "constant";
};
struct EvaluatorRecipe {
  EvaluatorConfig model;
  int64_t window = 24;                                               // frames
  EvaluatorStage movement{.batch = 128, .iters = 0, .epochs = 270};  // an epoch: every window
  EvaluatorStage matching{.batch = 32, .iters = 0, .epochs = 300};   // an epoch: every item
  double root_weight = 25;  // root and contact features count this much more: their deviation is divided by it
  double clip = 0.5;        // of the gradient's norm, for the text and the motion encoder each
  int64_t min_count = 2;    // words that are rarer in the captions are unknown ones
};

EvaluatorRecipe evaluator_preset(const std::string& name);

}  // namespace kg
