#include "models/retrieval/presets.h"

namespace kg {
namespace {

void check_preset(const std::string& name) {
  CHECK(name == "paper" || name == "small" || name == "tiny", "preset \"", name,
        "\" is unknown; use paper, small or tiny");
}

// Sizes and a recipe for CPUs, the same for all retrievers, so that they can be compared.
template <class Config>
void make_small(RetrieverRecipe<Config>& r, SequenceEncoderConfig& network, bool small) {
  network.width = small ? 128 : 64;
  network.layers = 2;
  network.feedforward = 2 * network.width;
  r.text = {.width = small ? 256 : 128, .layers = 2, .heads = 4, .feedforward = small ? 512 : 256};
  r.training = {.batch = 64,
                .max_iters = small ? 2000 : 1000,
                .schedule = {.decay = Decay::cosine, .lr = small ? 5e-4 : 1e-3, .warm_up = 100}};
  r.training.clip = 1;
  r.training.eval_every = r.training.save_every = 250;
}
void make_small(PartNetworkConfig& network, bool small) {
  network.frames = 200;
  network.projection = small ? 128 : 64;
  network.head_dropout = 0.1;
}

// Of MotionPatches and ReMoMask: Adam without decay, half of a cosine that is twice as long as the training.
template <class Config>
void make_paper(RetrieverRecipe<Config>& r, PartNetworkConfig& network, const Skeleton& body, int64_t epochs) {
  const bool kit = body == kit_ml();
  r.text = {.width = 512, .layers = 4, .heads = 8, .feedforward = 2048};
  r.training = {.batch = 128,
                .max_iters = 0,
                .epochs = epochs,
                .schedule = {.decay = Decay::cosine, .lr = kit ? 1e-5 : 1e-4, .stretch = 2}};
  r.text_lr = kit ? 1 : 0.1;
  network.head_dropout = kit ? 0 : 0.5;
}

}  // namespace

RetrieverRecipe<TmrConfig> tmr_preset(const std::string& name, const Skeleton&) {
  check_preset(name);
  RetrieverRecipe<TmrConfig> r;
  r.filter = 0.8;
  if (name == "paper") {
    r.text = {.width = 512, .layers = 4, .heads = 8, .feedforward = 2048};
    r.training = {.batch = 32, .max_iters = 0, .epochs = 500, .schedule = {.lr = 1e-4}, .weight_decay = 0.01};
    return r;
  }
  make_small(r, r.model.network, name == "small");
  return r;
}

RetrieverRecipe<PlTmrConfig> pltmr_preset(const std::string& name, const Skeleton& body) {
  check_preset(name);
  RetrieverRecipe<PlTmrConfig> r;
  if (name == "paper") {
    make_paper(r, r.model.network, body, 100);
    r.model.learn_scale = false;
    return r;
  }
  make_small(r, r.model.network.part, name == "small");
  make_small(r.model.network, name == "small");
  return r;
}

RetrieverRecipe<BmmConfig> bmm_preset(const std::string& name, const Skeleton& body) {
  check_preset(name);
  RetrieverRecipe<BmmConfig> r;
  if (name == "paper") {
    make_paper(r, r.model.network, body, 200);
    return r;
  }
  make_small(r, r.model.network.part, name == "small");
  make_small(r.model.network, name == "small");
  r.model.queue = name == "small" ? 4096 : 1024;
  r.model.normalize = r.model.mask_same = true;  // a small set comes around often, and calm steps are few enough
  return r;
}

}  // namespace kg
