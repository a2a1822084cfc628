// Benchmarks of row operations and of whole models: training steps (forward, loss, backward, AdamW) from text features,
// and generation of one motion that runs to the last position. Names give the sizes: vqvae_step/PRESET/BATCH.
// tools/compare_pytorch.py times PyTorch under the same names.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "models/sampling.h"
#include "models/t2m_gpt/presets.h"
#include "models/tokenizer/presets.h"
#include "nn/optim.h"

namespace kg::bench {

using Run = std::function<void()>;
// Adds a benchmark bound by arithmetic (flops > 0) or by memory (bytes); `prepare` makes the function to time.
using Add = std::function<void(const std::string& name, double flops, double bytes, std::function<Run()> prepare)>;

inline Tensor normal_tensor(const Shape& shape) {
  const Tensor t = Tensor::empty(shape);
  fill_normal(t, 0, 1, default_generator().next());
  return t;
}

// Ids 0, 1, ..., k - 1, 0, ...
inline Tensor cyclic_ids(const Shape& shape, int64_t k) {
  const Tensor ids = Tensor::empty(shape, Dtype::i32);
  for (int64_t i = 0; i < ids.numel(); ++i) ids.data<int32_t>()[i] = int32_t(i % k);
  return ids;
}

inline void add_pointwise(const Add& add) {
  constexpr int64_t kSize = int64_t(1) << 22;
  const std::string size = "/" + std::to_string(kSize);
  using Unary = Tensor (*)(const Tensor&);
  const std::pair<const char*, Unary> ops[] = {{"relu", relu}, {"gelu", gelu}, {"silu", silu}, {"exp", exp}};
  for (auto [name, op] : ops)
    add(name + size, 0, 8.0 * kSize, [op = op] { return [op, x = normal_tensor({kSize})] { op(x); }; });
  add("add" + size, 0, 12.0 * kSize,
      [] { return [x = normal_tensor({kSize}), y = normal_tensor({kSize})] { kg::add(x, y); }; });
  add("adamw" + size, 0, 28.0 * kSize, [] {
    const Tensor p = normal_tensor({kSize}), g = normal_tensor({kSize}), m = zeros_like(p), v = zeros_like(p);
    return [=, t = std::make_shared<int64_t>(0)] { adam_step(p, g, m, v, ++*t, {}, 1); };
  });
}

// Rows of the transformer at `paper`: 128 samples of 51 positions, width 1024, 513 classes.
inline void add_rows(const Add& add) {
  constexpr int64_t kRows = 6528, kWidth = 1024, kClasses = 513;
  const double wide = 4.0 * kRows * kWidth, narrow = 4.0 * kRows * kClasses;
  add("layer_norm/6528x1024", 0, 2 * wide, [] {
    return [x = normal_tensor({kRows, kWidth}), w = normal_tensor({kWidth})] { layer_norm(x, w, w, 1e-5); };
  });
  add("layer_norm_backward/6528x1024", 0, 3 * wide, [] {
    const Tensor x = normal_tensor({kRows, kWidth}), gy = normal_tensor({kRows, kWidth}), w = normal_tensor({kWidth});
    return [=, y = layer_norm(x, w, w, 1e-5)] { layer_norm_backward(gy, x, w, y.mean, y.rstd); };
  });
  add("softmax/6528x513", 0, 2 * narrow, [] { return [x = normal_tensor({kRows, kClasses})] { softmax(x); }; });
  add("cross_entropy/6528x513", 0, narrow, [] {
    return [x = normal_tensor({kRows, kClasses}), target = cyclic_ids({kRows}, kClasses)] {
      cross_entropy(x, target, -100, 0);
    };
  });
}

// Multiplications and additions of the convolutions for one window, forward.
inline double vqvae_flops(const VqVaeConfig& c, double frames) {
  const double w2 = double(c.width * c.width), ends = 2 * 3 * double(c.features * c.width);
  const double down = 0.5 * (4 + 12) + 0.25 * (4 + 12 + 3), up = 0.25 * (3 + 12) + 0.5 * (3 + 12) + 1.0 * (3 + 3);
  return 2 * frames * (ends + (down + up) * w2);
}

inline Run vqvae_step(const std::string& preset, int64_t batch) {
  const TokenizerRecipe recipe = tokenizer_preset(preset);
  auto model = std::make_shared<VqVae>(recipe.model);
  auto optimizer =
      std::make_shared<AdamW>(*model, AdamOptions{recipe.training.schedule.lr, recipe.training.beta1,
                                                  recipe.training.beta2, 1e-8, recipe.training.weight_decay, true});
  const Tensor x = normal_tensor({batch, recipe.window, recipe.model.features});
  return [=] {
    optimizer->zero_grad();
    backward(model->loss((*model)(x), x).total);
    optimizer->step();
  };
}

inline Run gpt_step(const std::string& preset, int64_t batch) {
  const GptRecipe recipe = gpt_preset(preset);
  auto model = std::make_shared<Gpt>(recipe.model);
  auto optimizer =
      std::make_shared<AdamW>(*model, AdamOptions{recipe.training.schedule.lr, recipe.training.beta1,
                                                  recipe.training.beta2, 1e-8, recipe.training.weight_decay, true});
  const int64_t context = recipe.model.context;
  const Tensor condition = normal_tensor({batch, recipe.model.condition});
  const GptBatch target{cyclic_ids({batch, context}, recipe.model.codes),
                        std::vector<int64_t>(size_t(batch), context - 2)};
  return [=] {
    optimizer->zero_grad();
    const Tensor inputs = corrupt(target.ids.slice(1, 0, context - 1).contiguous(), recipe.keep, recipe.model.codes,
                                  default_generator().next());
    backward(gpt_loss((*model)(condition, inputs), target));
    optimizer->step();
  };
}

inline Run generate(const std::string& preset, bool rounded) {
  auto gpt = std::make_shared<Gpt>(gpt_preset(preset).model);
  auto vqvae = std::make_shared<VqVae>(tokenizer_preset(preset).model);
  gpt->eval();
  vqvae->eval();
  if (rounded) gpt->round_weights_to_bf16();
  SampleOptions options;
  options.min_tokens = gpt->config().context;  // no end
  const Tensor condition = normal_tensor({1, gpt->config().condition});
  return [=] {
    Decoder decoder(*gpt);
    const std::vector<int32_t> tokens = write(decoder, gpt->start(condition), {0}, options)[0];
    vqvae->decode(Tensor::from(tokens, {1, int64_t(tokens.size())}));
  };
}

// Weights of the transformer that a token is multiplied with: blocks and head.
inline double gpt_weights(const GptConfig& c) {
  return double(c.layers * (4 * c.width * c.width + 2 * c.width * c.feedforward) + c.width * (c.codes + 1));
}

inline void add_models(const Add& add) {
  const std::pair<const char*, int64_t> vqvaes[] = {{"tiny", 32}, {"small", 64}, {"paper", 32}};
  for (auto [preset, batch] : vqvaes) {
    const TokenizerRecipe recipe = tokenizer_preset(preset);
    const double flops = 3 * double(batch) * vqvae_flops(recipe.model, double(recipe.window));
    add("vqvae_step/" + std::string(preset) + "/" + std::to_string(batch), flops, 0,
        [=, preset = preset, batch = batch] { return vqvae_step(preset, batch); });
  }
  const std::pair<const char*, int64_t> gpts[] = {{"tiny", 64}, {"small", 64}, {"paper", 8}};
  for (auto [preset, batch] : gpts) {
    const GptConfig config = gpt_preset(preset).model;
    const double flops = 6 * double(batch * config.context) * gpt_weights(config);
    add("gpt_step/" + std::string(preset) + "/" + std::to_string(batch), flops, 0,
        [=, preset = preset, batch = batch] { return gpt_step(preset, batch); });
  }
  for (const char* preset : {"tiny", "small", "paper"}) {  // each token reads all weights once
    const GptConfig config = gpt_preset(preset).model;
    const double weights = double(config.context - 1) * gpt_weights(config);
    add("generate/" + std::string(preset), 0, 4 * weights, [=] { return generate(preset, false); });
    add("generate/" + std::string(preset) + "/bf16", 0, 2 * weights, [=] { return generate(preset, true); });
  }
}

}  // namespace kg::bench
