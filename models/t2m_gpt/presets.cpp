#include "models/t2m_gpt/presets.h"

#include "nn/schedule.h"

namespace kg {

TokenizerRecipe tokenizer_preset(const std::string& name) {
  TokenizerRecipe r;
  if (name == "paper") return r;
  CHECK(name == "small" || name == "tiny", "preset \"", name, "\" is unknown; use paper, small or tiny");
  const bool small = name == "small";
  r.model.width = small ? 256 : 128;
  r.batch = 64;
  // Codes are reset below an eighth of their fair share of a batch: 1 at the paper's sizes.
  r.model.reset_below = double(r.batch * r.window / kFramesPerToken) / double(8 * r.model.codes);
  r.root_weight = 5;
  r.max_iters = 2500;
  r.warm_up = 100;
  r.lr = small ? 6e-4 : 1e-3;
  r.schedule = "cosine";
  return r;
}

GptRecipe gpt_preset(const std::string& name) {
  GptRecipe r;
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
  r.batch = 64;
  r.max_iters = small ? 1600 : 2500;
  r.warm_up = 100;
  r.lr = small ? 8e-4 : 1e-3;
  r.beta1 = 0.9, r.beta2 = 0.98;
  r.weight_decay = 0.01;
  r.schedule = "cosine";
  return r;
}

double learning_rate(double lr, int64_t i, int64_t warm_up, int64_t max_iters, const std::string& schedule,
                     double milestone) {
  if (i < warm_up) return schedule::warm_up(lr, i, warm_up);
  const int64_t step = i - warm_up, total = std::max<int64_t>(max_iters - warm_up, 1);
  if (schedule == "constant") return lr;
  if (schedule == "cosine") return schedule::cosine(lr, step, total);
  CHECK(schedule == "step", "schedule \"", schedule, "\" is unknown; use step, cosine or constant");
  return schedule::multi_step(lr, step, {int64_t(double(total) * milestone)}, 0.05);
}

}  // namespace kg
