// Sizes and training recipes of the motion tokenizer. `paper` is T2M-GPT's (Zhang et al. 2023) as released; `small` and
// `tiny` are the same network made narrower, with shorter recipes, for CPUs.
#pragma once

#include "models/tokenizer/vqvae.h"
#include "nn/recipe.h"

namespace kg {

struct TokenizerRecipe {
  VqVaeConfig model;
  Recipe training;
  int64_t window = 64;      // frames
  double root_weight = 25;  // root and contact features count this much more: their deviation is divided by it
};

template <class V>
void fields(TokenizerRecipe& r, V&& v) {
  fields(r.training, v);
  v(Field{"window", "window-size", "frames a window, a multiple of 4", between(4, 196)}, r.window);
  v(Field{"root_weight", "root-weight,feat-bias", "how much more root and contact features count", above(0)},
    r.root_weight);
  fields(r.model, v);
}

TokenizerRecipe tokenizer_preset(const std::string& name);

}  // namespace kg
