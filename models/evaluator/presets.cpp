#include "models/evaluator/presets.h"

namespace kg {

EvaluatorRecipe evaluator_preset(const std::string& name) {
  EvaluatorRecipe r;
  if (name == "paper") return r;
  CHECK(name == "small" || name == "tiny", "preset \"", name, "\" is unknown; use paper, small or tiny");
  const bool small = name == "small";
  r.model.movement = small ? 192 : 64;
  r.model.motion = small ? 256 : 64;
  r.model.text = small ? 192 : 64;
  r.model.embedding = small ? 256 : 64;
  r.model.words = small ? 96 : 32;
  r.movement = {.batch = 64, .iters = small ? 1500 : 600, .warm_up = 50, .lr = 1e-3, .schedule = "cosine"};
  r.matching = {.batch = 32, .iters = small ? 2000 : 1000, .warm_up = 50, .lr = 1e-3, .schedule = "cosine"};
  return r;
}

}  // namespace kg
