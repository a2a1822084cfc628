// Benchmarks of text encoders, from token ids to features: clip_text/TEXTSxTOKENS is one batch; clip_captions/N and
// minilm_captions/N are N captions of the lengths that captions have, in batches of 64 of about one length.
#pragma once

#include <algorithm>

#include "models/text/bert.h"
#include "models/text/clip.h"
#include "models/text/pooling.h"
#include "tools/bench_models.h"

namespace kg::bench {

// Ids and the share of the last token, or of all.
struct TextInput {
  Tensor ids, mask, share;
};
inline TextInput text_input(int64_t texts, int64_t tokens, const std::vector<int64_t>& lengths) {
  TextInput in{cyclic_ids({texts, tokens}, 30000), Tensor::zeros({texts, tokens}, Dtype::u8),
               Tensor::zeros({texts, tokens, 1})};
  for (int64_t b = 0; b < texts; ++b) {
    in.mask.select(0, b).slice(0, 0, lengths[size_t(b)]).fill(1);
    in.share.select(0, b).slice(0, lengths[size_t(b)] - 1, lengths[size_t(b)]).fill(1);
  }
  return in;
}

// 8 to 37 tokens, more short ones than long ones, sorted. tools/compare_pytorch.py has the same rule.
inline std::vector<TextInput> captions_by_length(int64_t count) {
  constexpr int64_t kBatch = 64;
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t u = i * 7919 % 1000;
    lengths.push_back(8 + u * u * 30 / 1000000);
  }
  std::sort(lengths.begin(), lengths.end());
  std::vector<TextInput> batches;
  for (int64_t first = 0; first < count; first += kBatch) {
    const int64_t last = std::min(count, first + kBatch);
    const std::vector<int64_t> some(lengths.begin() + first, lengths.begin() + last);
    batches.push_back(text_input(last - first, some.back(), some));
  }
  return batches;
}

inline Run clip_text(std::vector<TextInput> batches) {
  auto model = std::make_shared<ClipText>(clip_preset("vit-b/32"));
  model->eval();
  return [=] {
    NoGrad guard;
    for (const TextInput& in : batches) (*model)(in.ids, in.share);
  };
}
inline Run minilm(std::vector<TextInput> batches) {
  auto model = std::make_shared<Bert>(bert_preset("minilm-l6"));
  model->eval();
  return [=] {
    NoGrad guard;
    for (const TextInput& in : batches) l2_normalize(pool(model->hidden(in.ids, in.mask), in.share));
  };
}

inline double token_count(const std::vector<TextInput>& batches) {
  double tokens = 0;
  for (const TextInput& in : batches) tokens += double(in.ids.numel());
  return tokens;
}

inline void add_text(const Add& add) {
  // Weights that each token is multiplied with, twice: product and sum.
  const auto flops = [](int64_t layers, int64_t width, int64_t feedforward) {
    return 2.0 * double(layers * (4 * width * width + 2 * width * feedforward));
  };
  const double clip = flops(12, 512, 2048);
  for (const int64_t tokens : {12, 20, 77})
    add("clip_text/1x" + std::to_string(tokens), clip * double(tokens), 0,
        [=] { return clip_text({text_input(1, tokens, {tokens})}); });
  const std::vector<TextInput> captions = captions_by_length(1000);
  add("clip_captions/1000", clip * token_count(captions), 0, [=] { return clip_text(captions); });
  add("minilm_captions/1000", flops(6, 384, 1536) * token_count(captions), 0, [=] { return minilm(captions); });
}

}  // namespace kg::bench
