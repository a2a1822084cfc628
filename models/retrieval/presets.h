// Sizes and training recipes of the retrievers. `paper` is each as released (TMR; MotionPatches' recipe for PL-TMR,
// whose own is not public; ReMoMask's for BMM); `small` and `tiny` are the same networks made narrower, with shorter
// recipes, for CPUs.
#pragma once

#include "models/retrieval/bmm.h"
#include "models/retrieval/pltmr.h"
#include "models/retrieval/tmr.h"
#include "models/text/word_transformer.h"
#include "nn/recipe.h"

namespace kg {

template <class Config>
struct RetrieverRecipe {
  Config model;
  WordTransformerConfig text;  // the built-in text encoder
  Recipe training;
  double text_lr = 1;  // rate of an encoder with public weights that is trained on, in the rate of the rest
  double filter = 0;   // captions more similar than this, 0 to 1, make pairs that are no negatives; 0: none are
};
template <class Config, class V>
void fields(RetrieverRecipe<Config>& r, V&& v) {
  fields(r.training, v);
  v(Field{"text_lr", "text-lr", "rate of pretrained text weights, times the learning rate", above(0)}, r.text_lr);
  v(Field{"filter", "filter", "captions more alike are no negatives; 0: all are", between(0, 1)}, r.filter);
  fields(r.model, v);
}

// KIT-ML has rates and dropout of its own in `paper`.
RetrieverRecipe<TmrConfig> tmr_preset(const std::string& name, const Skeleton& body = humanml3d());
RetrieverRecipe<PlTmrConfig> pltmr_preset(const std::string& name, const Skeleton& body = humanml3d());
RetrieverRecipe<BmmConfig> bmm_preset(const std::string& name, const Skeleton& body = humanml3d());

}  // namespace kg
