// Sizes and training recipes of T2M-GPT's transformer. `paper` is Zhang et al. 2023 as released; `small` and `tiny` are
// the same network made narrower, with shorter recipes, for CPUs.
#pragma once

#include "models/t2m_gpt/gpt.h"
#include "models/text/word_transformer.h"
#include "nn/recipe.h"

namespace kg {

struct GptRecipe {
  GptConfig model;
  WordTransformerConfig text;  // the built-in text encoder
  Recipe training;
  double keep = 0.5;  // share of the input tokens that are not corrupted; -1: drawn anew for each batch
};

template <class V>
void fields(GptRecipe& r, V&& v) {
  fields(r.training, v);
  v(Field{"keep", "pkeep", "share of input tokens kept; -1: random", between(-1, 1)}, r.keep);
  fields(r.model, v);
}

GptRecipe gpt_preset(const std::string& name);

}  // namespace kg
