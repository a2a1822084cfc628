#include "models/motiongpt/presets.h"

namespace kg {

MotionGptRecipe motiongpt_preset(const std::string& name, MotionGptStage stage) {
  const bool pretrain = stage == MotionGptStage::pretrain;
  MotionGptRecipe r;
  Recipe& t = r.training;
  r.model.t5 = t5_preset("flan-t5-base");
  t.batch = 16, t.max_iters = 300000;
  t.schedule = {.decay = Decay::cosine, .lr = pretrain ? 2e-4 : 1e-4, .lowest = 1e-6};
  t.beta1 = 0.9, t.beta2 = 0.99;
  if (name == "paper") return r;
  CHECK(name == "small" || name == "tiny", "preset \"", name, "\" is unknown; use paper, small or tiny");
  const bool small = name == "small";
  T5Config& c = r.model.t5;
  c.width = small ? 256 : 128, c.heads = 4, c.head_width = small ? 64 : 32;
  c.feedforward = small ? 512 : 256;
  c.layers = c.decoder_layers = small ? 4 : 2;
  c.dropout = small ? 0.1 : 0.05;
  r.model.language.pieces = small ? 1500 : 800;
  // One pair of six gives a sentence and asks for its motion: counting is learned late.
  t.batch = 32, t.max_iters = small ? (pretrain ? 4000 : 8000) : (pretrain ? 1500 : 4000);
  t.schedule = {.decay = Decay::cosine, .lr = 1e-3, .warm_up = 200};
  t.beta2 = 0.98, t.weight_decay = 0.01, t.clip = 1;
  return r;
}

}  // namespace kg
