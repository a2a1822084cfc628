#include "models/tokenizer/presets.h"

namespace kg {

TokenizerRecipe tokenizer_preset(const std::string& name) {
  TokenizerRecipe r;
  Recipe& t = r.training;
  t.batch = 256, t.max_iters = 300000;
  t.schedule = {.decay = Decay::step, .lr = 2e-4, .warm_up = 1000, .milestones = {2.0 / 3}, .gamma = 0.05};
  t.beta1 = 0.9, t.beta2 = 0.99;
  if (name == "paper") return r;
  CHECK(name == "small" || name == "tiny", "preset \"", name, "\" is unknown; use paper, small or tiny");
  const bool small = name == "small";
  r.model.width = small ? 256 : 128;
  t.batch = 64;
  // Codes are reset below an eighth of their fair share of a batch: 1 at the paper's sizes.
  r.model.reset_below = double(t.batch * r.window / kFramesPerToken) / double(8 * r.model.codes);
  r.root_weight = 5;
  t.max_iters = 2500;
  t.schedule.decay = Decay::cosine;
  t.schedule.lr = small ? 6e-4 : 1e-3;
  t.schedule.warm_up = 100;
  return r;
}

}  // namespace kg
