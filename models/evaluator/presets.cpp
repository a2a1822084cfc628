#include "models/evaluator/presets.h"

namespace kg {

EvaluatorRecipe evaluator_preset(const std::string& name) {
  EvaluatorRecipe r;
  // Guo et al. train for epochs, at a constant rate; only the encoders of the second stage are clipped.
  r.movement = {
      .batch = 128, .max_iters = 0, .epochs = 270, .schedule = {.lr = 1e-4, .milestones = {0.5}, .gamma = 0.05}};
  r.matching = r.movement;
  r.matching.batch = 32, r.matching.epochs = 300;
  r.matching.clip = 0.5, r.matching.clip_groups = true;
  if (name == "paper") return r;
  CHECK(name == "small" || name == "tiny", "preset \"", name, "\" is unknown; use paper, small or tiny");
  const bool small = name == "small";
  r.model.movement = small ? 192 : 64;
  r.model.motion = small ? 256 : 64;
  r.model.text = small ? 192 : 64;
  r.model.embedding = small ? 256 : 64;
  r.model.words = small ? 96 : 32;
  for (Recipe* stage : {&r.movement, &r.matching})
    stage->schedule = {.decay = Decay::cosine, .lr = 1e-3, .warm_up = 50};
  r.movement.batch = 64, r.movement.max_iters = small ? 1500 : 600;
  r.matching.max_iters = small ? 2000 : 1000;
  return r;
}

}  // namespace kg
