#include <algorithm>

#include "models/text/pooling.h"
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

TextBatch text_batch(const std::vector<std::vector<int>>& ids, int64_t length, int pad, const Tensor& like) {
  const int64_t batch = int64_t(ids.size());
  CHECK(batch > 0, "[text encoder] no captions");
  int64_t t = length;
  for (const std::vector<int>& row : ids) t = std::max(t, int64_t(row.size()));
  const Tensor words = Tensor::full({batch, t}, pad, Dtype::i32), mask = Tensor::zeros({batch, t}, Dtype::u8);
  const Tensor share = Tensor::zeros({batch, t, 1}, Dtype::f64);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t n = int64_t(ids[size_t(b)].size());
    std::copy_n(ids[size_t(b)].data(), n, words.data<int32_t>() + b * t);
    mask.select(0, b).slice(0, 0, n).fill(1);
    share.select(0, b).slice(0, 0, n).fill(1.0 / double(n));
  }
  return {words.to(like.device()), mask.to(like.device()), share.to(like.dtype()).to(like.device())};
}

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
  std::vector<std::vector<int>> ids;
  for (const std::string& caption : captions) ids.push_back(vocabulary_.encode(caption, size_t(config_.max_words)));
  return text_batch(ids, std::min(length, config_.max_words), WordVocabulary::kPad, words.weight.value);
}

Var WordTransformer::encode(const TextBatch& batch) const {
  AttentionMask attention;
  attention.key_mask = batch.mask;
  return pool(transformer(positions(words(batch.words)), attention), batch.share);
}

std::vector<std::string> WordTransformer::notes(const std::vector<std::string>& captions) const {
  std::vector<std::string> lines;
  for (const std::string& caption : captions) {
    std::string unknown;
    for (const std::string& word : vocabulary_.unknown_words(caption)) unknown += (unknown.empty() ? "" : ", ") + word;
    const size_t length = split_words(caption).size(), read = size_t(config_.max_words);
    if (length > read)
      lines.push_back("a prompt has " + std::to_string(length) + " words; the model reads the first " +
                      std::to_string(read));
    if (!unknown.empty()) lines.push_back("\"" + caption + "\": the model has never seen: " + unknown);
  }
  return lines;
}

}  // namespace kg
