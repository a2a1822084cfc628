// Sizes and training recipes of T2M-GPT's two stages. `paper` is Zhang et al. 2023 as released; `small` and `tiny` are
// the same networks made narrower, with shorter recipes, for CPUs.
#pragma once

#include <string>

#include "models/t2m_gpt/gpt.h"
#include "models/text/text_encoder.h"
#include "models/tokenizer/vqvae.h"

namespace kg {

struct TokenizerRecipe {
  VqVaeConfig model;
  int64_t batch = 256, window = 64;  // windows a step, frames a window
  double root_weight = 25;           // root and contact features count this much more: their deviation is divided by it
  int64_t max_iters = 300000, warm_up = 1000;
  double lr = 2e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0;
  std::string schedule = "step";  // step: lr x 0.05 after two thirds; cosine: to 0; constant
};

struct GptRecipe {
  GptConfig model;
  WordTransformerConfig text;
  int64_t batch = 128;
  int64_t max_iters = 300000, warm_up = 0;
  double lr = 1e-4, beta1 = 0.5, beta2 = 0.9, weight_decay = 1e-6;
  double keep = 0.5;              // share of the input tokens that are not corrupted; -1: drawn anew for each batch
  std::string schedule = "step";  // step: lr x 0.05 after half
};

inline constexpr const char* kPresets[] = {"paper", "small", "tiny"};

TokenizerRecipe tokenizer_preset(const std::string& name);
GptRecipe gpt_preset(const std::string& name);

// Learning rate of iteration i (from 0): warm-up, then the schedule over the iterations after it.
double learning_rate(double lr, int64_t i, int64_t warm_up, int64_t max_iters, const std::string& schedule,
                     double milestone);

}  // namespace kg
