#include "models/t2m_gpt/presets.h"

namespace kg {

GptRecipe gpt_preset(const std::string& name) {
  GptRecipe r;
  Recipe& t = r.training;
  t.batch = 128, t.max_iters = 300000;
  t.schedule = {.decay = Decay::step, .lr = 1e-4, .milestones = {0.5}, .gamma = 0.05};
  t.beta1 = 0.5, t.beta2 = 0.9, t.weight_decay = 1e-6;
  if (name == "paper") {
    r.text = {.width = 512, .layers = 4, .heads = 8, .feedforward = 2048};
    return r;
  }
  CHECK(name == "small" || name == "tiny", "preset \"", name, "\" is unknown; use paper, small or tiny");
  const bool small = name == "small";
  r.model.width = small ? 256 : 128;
  r.model.heads = small ? 8 : 4;
  r.model.layers = small ? 6 : 4;
  r.model.feedforward = 4 * r.model.width;
  r.text = {.width = small ? 256 : 128, .layers = 2, .heads = 4, .feedforward = small ? 512 : 256};
  r.model.condition = r.text.width;
  t.batch = 64, t.max_iters = small ? 1600 : 2500;
  t.schedule.decay = Decay::cosine;
  t.schedule.lr = small ? 8e-4 : 1e-3;
  t.schedule.warm_up = 100;
  t.beta1 = 0.9, t.beta2 = 0.98, t.weight_decay = 0.01;
  t.clip = 1;
  return r;
}

}  // namespace kg
