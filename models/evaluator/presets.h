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
  fields(r.matching, v);
  v(Field{"movement_iters", "movement-iters", "steps of the movement stage; 0: 270 epochs", at_least(0)},
    r.movement.max_iters);
  v(Field{"movement_batch", "movement-batch", "windows a step, movement stage", between(1, 65536)}, r.movement.batch);
  v(Field{"movement_lr", "movement-lr", "learning rate, movement stage", above(0)}, r.movement.schedule.lr);
  v(rare({"movement_eval_every", "movement-eval-every", "steps between its validations", at_least(1)}),
    r.movement.eval_every);
  v(rare({"movement_save_every", "movement-save-every", "steps between its checkpoints", at_least(1)}),
    r.movement.save_every);
  v(Field{"root_weight", "root-weight,feat-bias", "how much more root and contact features count", above(0)},
    r.root_weight);
  v(rare({"window", "movement-window", "frames, of the movement stage; a multiple of 4", between(4, 196)}), r.window);
  v(rare({"min_count", "min-count", "words that are rarer in the captions are unknown ones", at_least(1)}),
    r.min_count);
}

EvaluatorRecipe evaluator_preset(const std::string& name);

}  // namespace kg
