#include "models/retrieval/pltmr.h"

#include <cmath>

#include "models/model_file.h"
#include "models/retrieval/contrastive.h"
#include "models/text/pooling.h"

namespace kg {

PlTmrNetwork::PlTmrNetwork(const PlTmrConfig& c, const Skeleton& body, int64_t text_width)
    : PartNetwork(c.network, body, text_width), logit_scale(Tensor::full({1}, std::log(1 / 0.07))) {
  reg("logit_scale", logit_scale);
  logit_scale.meta->requires_grad = c.learn_scale;
}

PlTmr::PlTmr(const PlTmrConfig& config, std::unique_ptr<TextEncoder> encoder, const Skeleton& body)
    : Retriever(std::move(encoder), body), config_(config), network_(config, body, text->state_width()) {}

Json PlTmr::configuration() const { return to_json(config_); }

LossTerms PlTmr::loss(const RetrievalBatch& batch) {
  const Dtype dtype = accumulator(network_.dtype());
  const Var motion = l2_normalize(in_dtype(network_.motion(batch.motion), dtype));
  const Var text = l2_normalize(in_dtype(network_.text(text_states(batch), batch.text.mask), dtype));
  const Var scale = exp(in_dtype(network_.logit_scale, dtype));
  const PairLogits logits = pair_logits(text, motion, batch.size());
  const ContrastiveLoss l =
      contrastive_loss({scale * logits.text_to_motion, scale * logits.motion_to_text}, batch.targets, batch.mask);
  return {{"loss", l.total},
          {"text_to_motion", l.text_to_motion},
          {"motion_to_text", l.motion_to_text},
          {"scale", reshape(scale, Shape{})}};
}

}  // namespace kg
