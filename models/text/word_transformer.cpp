#include <algorithm>

#include "models/text/text_encoder.h"

namespace kg {
namespace {
TransformerOptions transformer_options(const WordTransformerConfig& c) {
  TransformerOptions o;
  o.width = c.width, o.heads = c.heads, o.feedforward = c.feedforward, o.dropout = c.dropout;
  o.activation = Activation::gelu;
  o.pre_norm = true;
  return o;
}
}  // namespace

WordTransformer::WordTransformer(WordVocabulary vocabulary, const WordTransformerConfig& config)
    : vocabulary_(std::move(vocabulary)),
      config_(config),
      words(vocabulary_.size(), config.width),
      positions(config.max_words, config.width),
      transformer(config.layers, transformer_options(config)) {
  init::normal(words.weight.value, 0, 0.02);
  reg("words", words);
  reg("positions", positions);
  reg("transformer", transformer);
}

TextBatch WordTransformer::prepare(const std::vector<std::string>& captions, int64_t length) const {
  const int64_t batch = int64_t(captions.size());
  CHECK(batch > 0, "[text encoder] no captions");
  std::vector<std::vector<int>> ids;
  size_t longest = size_t(std::min(length, config_.max_words));
  for (const std::string& caption : captions) {
    ids.push_back(vocabulary_.encode(caption, size_t(config_.max_words)));
    longest = std::max(longest, ids.back().size());
  }
  const int64_t t = int64_t(longest);
  TextBatch out{Tensor::zeros({batch, t}, Dtype::i32), Tensor::zeros({batch, t}, Dtype::u8), {}};
  const Tensor share = Tensor::zeros({batch, t, 1}, Dtype::f64);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t n = int64_t(ids[size_t(b)].size());
    std::copy_n(ids[size_t(b)].data(), n, out.words.data<int32_t>() + b * t);
    out.mask.select(0, b).slice(0, 0, n).fill(1);
    share.select(0, b).slice(0, 0, n).fill(1.0 / double(n));
  }
  const Tensor& like = words.weight.value;
  out.share = share.to(like.dtype());
  return {out.words.to(like.device()), out.mask.to(like.device()), out.share.to(like.device())};
}

Var WordTransformer::encode(const TextBatch& batch) const {
  AttentionMask attention;
  attention.key_mask = batch.mask;
  return sum(transformer(positions(words(batch.words)), attention) * Var(batch.share), {1});
}

}  // namespace kg
