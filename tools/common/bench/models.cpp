#include <algorithm>
#include <memory>

#include "models/motiongpt/motiongpt.h"
#include "models/t2m_gpt/presets.h"
#include "models/text/bert.h"
#include "models/text/clip.h"
#include "models/text/pooling.h"
#include "models/tokenizer/presets.h"
#include "nn/optim.h"
#include "tools/common/bench/list.h"
#include "tools/common/train/captured_step.h"

namespace kg::tools {
namespace {

// One step of `model` on `inputs()`, as a stage of training takes it; `read`: and its figures read, which waits for it.
template <class Model>
Run training_step(std::shared_ptr<Model> model, const Recipe& recipe, const Target& t, bool read,
                  std::function<std::vector<Tensor>()> inputs, std::function<Var(const std::vector<Tensor>&)> loss) {
  model->to(t.device);
  const AdamOptions options{recipe.schedule.lr, recipe.beta1, recipe.beta2, 1e-8, recipe.weight_decay, true};
  const std::vector<ParameterGroup> groups{{model->named_parameters(), recipe.weight_decay, 1}};
  auto optimizer = std::make_shared<AdamW>(groups, options, t.dtype);
  auto step = std::make_shared<CapturedStep>(t.device, true, "step");
  return [=] {
    const std::vector<Tensor>& results = step->run(inputs(), [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
      optimizer->zero_grad();
      const Var value = loss(in);
      backward(value);
      if (recipe.clip <= 0 && !read) return {value.value};
      const AdamW::Clip clip = optimizer->clip_grad_norm_on_device(recipe.clip > 0 ? recipe.clip : 1e30);
      return {value.value, clip.squared_norm, clip.scale};
    });
    optimizer->step(recipe.schedule.lr, results.size() > 1 ? results[2] : Tensor());
    if (read) read_scalars({results[0], results[1]});
    return std::vector<Tensor>{};
  };
}

Benchmark whole(Benchmark b) {
  b.kernel = false;
  return b;
}

// Multiplications and additions of the convolutions for one window, forward.
double vqvae_flops(const VqVaeConfig& c, int64_t frames) {
  const double w2 = double(c.width * c.width), ends = 2 * 3 * double(c.features * c.width);
  const double down = 0.5 * (4 + 12) + 0.25 * (4 + 12 + 3), up = 0.25 * (3 + 12) + 0.5 * (3 + 12) + 1.0 * (3 + 3);
  return 2 * double(frames) * (ends + (down + up) * w2);
}

// Weights of the transformer that a token is multiplied with: blocks and head.
double gpt_weights(const GptConfig& c) {
  return double(c.layers * (4 * c.width * c.width + 2 * c.width * c.feedforward) + c.width * (c.codes + 1));
}

}  // namespace

Benchmark vqvae_step(const std::string& sizes, const TokenizerRecipe& recipe, bool read) {
  const int64_t batch = recipe.training.batch;
  const auto prepare = [=](const Target& t) {
    auto model = std::make_shared<VqVae>(recipe.model);
    const Tensor x = Target{t.device}.normal({batch, recipe.window, recipe.model.features}, 1);
    return training_step(
        model, recipe.training, t, read, [=] { return std::vector<Tensor>{x}; },
        [=](const std::vector<Tensor>& in) { return model->loss((*model)(Var(in[0])), in[0]).total; });
  };
  return whole({(read ? "vqvae_step_read" : "vqvae_step") + sizes,
                3 * double(batch) * vqvae_flops(recipe.model, recipe.window), 0, prepare});
}

Benchmark gpt_step(const std::string& sizes, const GptRecipe& recipe, bool read) {
  const GptConfig& config = recipe.model;
  const int64_t batch = recipe.training.batch, context = config.context;
  const auto prepare = [=, codes = config.codes, width = config.condition](const Target& t) {
    auto model = std::make_shared<Gpt>(recipe.model);
    const Tensor condition = t.normal({batch, width}, 1);
    const GptBatch rows{cyclic_ids({batch, context}, codes), std::vector<int64_t>(size_t(batch), context - 2)};
    const SampleTargets targets = gpt_targets(rows, t.dtype, t.device);
    const Tensor ids = rows.ids.slice(1, 0, context - 1).contiguous();
    return training_step(
        model, recipe.training, t, read,
        [=] {
          return std::vector<Tensor>{condition, corrupt(ids, recipe.keep, codes, default_generator().next())};
        },
        [=](const std::vector<Tensor>& in) { return gpt_loss((*model)(Var(in[0]), in[1]), targets); });
  };
  return whole(
      {(read ? "gpt_step_read" : "gpt_step") + sizes, 6 * double(batch * context) * gpt_weights(config), 0, prepare});
}

Benchmark generate(const std::string& name, const GptConfig& config, const VqVaeConfig& tokenizer, int64_t batch,
                   Dtype dtype) {
  const auto prepare = [=](const Target& t) -> Run {
    auto gpt = std::make_shared<Gpt>(config);
    auto vqvae = std::make_shared<VqVae>(tokenizer);
    gpt->eval(), vqvae->eval();
    gpt->to(t.device), vqvae->to(t.device);
    const bool rounded = t.dtype == Dtype::bf16, on_cpu = t.device == Device::cpu;
    if (rounded && on_cpu) gpt->round_weights_to_bf16();
    if (rounded && !on_cpu) gpt->to(Dtype::bf16);
    SampleOptions options;
    options.min_tokens = config.context;  // no end
    const Tensor condition = Target{t.device, on_cpu ? Dtype::f32 : t.dtype}.normal({batch, config.condition}, 1);
    std::vector<uint64_t> streams;
    for (int64_t i = 0; i < batch; ++i) streams.push_back(uint64_t(i));
    auto decoder = std::make_shared<Decoder>(*gpt);
    return [=] {
      std::vector<int32_t> ids;
      for (const std::vector<int32_t>& tokens : write(*decoder, gpt->start(condition), streams, options))
        ids.insert(ids.end(), tokens.begin(), tokens.end());
      return std::vector<Tensor>{vqvae->decode(Tensor::from(ids, {batch, int64_t(ids.size()) / batch}).to(t.device))};
    };
  };
  return whole(
      {name, 0, double(config.context - 1) * gpt_weights(config), prepare, dtype});  // a token reads all weights
}

// ---- MotionGPT
namespace {

// The vocabulary of a model: that of Google's file with the motion's tokens, or as many pieces as one of its own may
// have, sentinels, codes, and the motion's start, end and mask.
T5Config language_sizes(const MotionGptRecipe& recipe, bool public_vocabulary) {
  T5Config c = recipe.model.t5;
  const LanguageConfig& l = recipe.model.language;
  c.vocabulary = (public_vocabulary ? 32000 : l.pieces) + l.sentinels + l.codes + 3;
  return c;
}
// The released model has the shape of a public T5, and its vocabulary.
bool is_public(const MotionGptRecipe& recipe) { return recipe.model.t5.width == t5_preset("flan-t5-base").width; }

// Weights of one stack that a token is multiplied with; keys and values of the memory are the decoder's, but cost what
// the source is long.
double t5_weights(const T5Config& c, bool decoder) {
  const double attention = 4.0 * double(c.width * c.heads * c.head_width);
  const double feedforward = (c.gated ? 3.0 : 2.0) * double(c.width * c.feedforward);
  if (!decoder) return double(c.layers) * (attention + feedforward) + double(c.decoder_layers) * attention / 2;
  return double(c.decoder_layers) * (1.5 * attention + feedforward) + double(c.width * c.vocabulary);
}

}  // namespace

Benchmark t5_step(const std::string& sizes, const MotionGptRecipe& recipe, int64_t source, int64_t target) {
  const int64_t batch = recipe.training.batch;
  const T5Config config = language_sizes(recipe, is_public(recipe));
  const auto prepare = [=](const Target& t) {
    auto model = std::make_shared<T5>(config);
    scale_new_head(*model);
    const Tensor ids = cyclic_ids({batch, source}, config.vocabulary), mask = Tensor::ones(ids.shape(), Dtype::u8),
                 labels = cyclic_ids({batch, target}, config.vocabulary),
                 weight = Tensor::full({1}, 1 / double(labels.numel()));
    return training_step(
        model, recipe.training, t, false,
        [=] {
          return std::vector<Tensor>{ids, mask, t5_decoder_ids(labels), labels, weight};
        },
        [=](const std::vector<Tensor>& in) { return language_loss((*model)(in[0], in[1], in[2]), in[3], in[4]); });
  };
  const double flops =
      6 * double(batch) * (double(source) * t5_weights(config, false) + double(target) * t5_weights(config, true));
  return whole({"t5_step" + sizes, flops, 0, prepare});
}

// As MotionGpt::generate: the prompt stands in the room of the longest one.
Benchmark t5_generate(const std::string& name, const MotionGptRecipe& recipe, const VqVaeConfig& tokenizer) {
  constexpr int64_t kPrompt = 24, kCodes = 49, kAnswer = kCodes + 3;
  const T5Config config = language_sizes(recipe, is_public(recipe));
  const auto prepare = [=, room = recipe.model.read, most = recipe.model.written](const Target& t) -> Run {
    auto t5 = std::make_shared<T5>(config);
    auto vqvae = std::make_shared<VqVae>(tokenizer);
    scale_new_head(*t5);
    t5->eval(), vqvae->eval();
    t5->to(t.device), vqvae->to(t.device);
    const SampleOptions options{.top_k = 50, .min_tokens = kAnswer, .max_tokens = kAnswer};
    const Tensor ids = cyclic_ids({1, kPrompt}, config.vocabulary).to(t.device);
    const Tensor seen = Tensor::ones({1, kPrompt}, Dtype::u8).to(t.device);
    const Tensor mask = Tensor::zeros({1, room}, Dtype::u8);
    mask.slice(1, 0, kPrompt).fill(1);
    auto decoder = std::make_shared<Decoder>(*t5);
    return [=, mask = mask.to(t.device)] {
      const NoGrad guard;
      const Tensor memory = Tensor::zeros({1, room, config.width}, t5->dtype(), t.device);
      memory.slice(1, 0, kPrompt).copy_from(t5->encode(ids, seen).value);
      std::vector<int32_t> codes = write(*decoder, t5->start(memory, mask, most), {0}, options)[0];
      codes.resize(size_t(kCodes));
      for (int32_t& code : codes) code %= int32_t(tokenizer.codes);
      return std::vector<Tensor>{vqvae->decode(Tensor::from(codes, {1, kCodes}).to(t.device))};
    };
  };
  const double read_weights = double(kAnswer) * t5_weights(config, true) + t5_weights(config, false);
  return whole({name, 0, read_weights, prepare});
}

// ---- text encoders
namespace {

struct TextInput {
  Tensor ids, mask, share;  // the share of the last token
};
TextInput text_input(const std::vector<int64_t>& lengths, Device device) {
  const int64_t texts = int64_t(lengths.size()), tokens = lengths.back();
  const TextInput in{cyclic_ids({texts, tokens}, 30000), Tensor::zeros({texts, tokens}, Dtype::u8),
                     Tensor::zeros({texts, tokens, 1})};
  for (int64_t b = 0; b < texts; ++b) {
    in.mask.select(0, b).slice(0, 0, lengths[size_t(b)]).fill(1);
    in.share.select(0, b).slice(0, lengths[size_t(b)] - 1, lengths[size_t(b)]).fill(1);
  }
  return {in.ids.to(device), in.mask.to(device), in.share.to(device)};
}

using Lengths = std::vector<std::vector<int64_t>>;  // of the texts of each batch
// 8 to 37 tokens, more short ones than long ones, sorted. tools/compare_pytorch.py has the same rule.
Lengths caption_lengths(int64_t count) {
  constexpr int64_t kBatch = 64;
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t u = i * 7919 % 1000;
    lengths.push_back(8 + u * u * 30 / 1000000);
  }
  std::sort(lengths.begin(), lengths.end());
  Lengths batches;
  for (int64_t first = 0; first < count; first += kBatch)
    batches.emplace_back(lengths.begin() + first, lengths.begin() + std::min(count, first + kBatch));
  return batches;
}

Benchmark text_benchmark(const std::string& name, bool clip, const Lengths& batches) {
  // Weights that each token is multiplied with, twice: product and sum.
  const double layers = clip ? 12 : 6, width = clip ? 512 : 384;
  double tokens = 0;
  for (const std::vector<int64_t>& lengths : batches) tokens += double(lengths.size()) * double(lengths.back());
  const auto prepare = [=](const Target& t) -> Run {
    std::vector<TextInput> inputs;
    for (const std::vector<int64_t>& lengths : batches) inputs.push_back(text_input(lengths, t.device));
    const auto ready = [&](auto model) {
      model->eval();
      model->to(t.device);
      return model;
    };
    if (clip)
      return [=, model = ready(std::make_shared<ClipText>(clip_preset("vit-b/32")))] {
        const NoGrad guard;
        std::vector<Tensor> features;
        for (const TextInput& in : inputs) features.push_back((*model)(in.ids, in.share).value);
        return features;
      };
    return [=, model = ready(std::make_shared<Bert>(bert_preset("minilm-l6")))] {
      const NoGrad guard;
      std::vector<Tensor> features;
      for (const TextInput& in : inputs)
        features.push_back(l2_normalize(pool(model->hidden(in.ids, in.mask), in.share)).value);
      return features;
    };
  };
  return whole(
      {name, tokens * 2 * layers * 12 * width * width, 0, prepare});  // 4 w^2 of attention, 8 w^2 of feed-forward
}

}  // namespace

std::vector<Benchmark> text_benchmarks() {
  std::vector<Benchmark> list;
  for (const int64_t tokens : {12, 20, 77})
    list.push_back(text_benchmark("clip_text" + sizes({1, tokens}), true, {{tokens}}));
  list.push_back(text_benchmark("clip_captions/1000", true, caption_lengths(1000)));
  list.push_back(text_benchmark("minilm_captions/1000", false, caption_lengths(1000)));
  return list;
}

}  // namespace kg::tools
