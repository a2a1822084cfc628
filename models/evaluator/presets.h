// Sizes and training recipes of the evaluator. `paper` is Guo et al. 2022 as released; `small` and `tiny` are the same
// networks made narrower, with shorter recipes, for CPUs.
#pragma once

#include "models/evaluator/evaluator.h"
#include "nn/recipe.h"

namespace kg {

struct EvaluatorRecipe {
  EvaluatorConfig model;
  int64_t window = 24;      // frames, of the movement stage
  Recipe movement;          // an epoch: every window
  Recipe matching;          // an epoch: every item
  double root_weight = 25;  // root and contact features count this much more: their deviation is divided by it
  int64_t min_count = 2;    // words that are rarer in the captions are unknown ones
};

template <class V>
void fields(EvaluatorRecipe& r, V&& v) {
  v(Field{"matching"}, r.matching);
  v(Field{"movement", "movement-"}, r.movement);
  v(Field{"root_weight", "root-weight,feat-bias", "how much more root and contact features count", above(0)},
    r.root_weight);
  v(rare({"window", "movement-window", "frames, of the movement stage; a multiple of 4", between(4, 196)}), r.window);
  v(rare({"min_count", "min-count", "words that are rarer in the captions are unknown ones", at_least(1)}),
    r.min_count);
}

EvaluatorRecipe evaluator_preset(const std::string& name);

}  // namespace kg
