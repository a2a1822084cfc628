#include "models/text/word_transformer.h"

#include <algorithm>

#include "models/model_file.h"

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

std::vector<int> WordTransformer::tokens(const std::string& caption) const {
  return vocabulary_.encode(caption, size_t(config_.max_words));
}

TextBatch WordTransformer::prepare(const std::vector<std::string>& captions, int64_t length) const {
  std::vector<std::vector<int>> ids;
  for (const std::string& caption : captions) ids.push_back(tokens(caption));
  return text_batch(ids, std::min(length, config_.max_words), WordVocabulary::kPad, words.weight.value);
}

Var WordTransformer::states(const TextBatch& batch) const {
  AttentionOptions attention;
  attention.key_mask = batch.mask;
  return transformer(positions(words(batch.words)), attention);
}

void WordTransformer::set_trainable(bool on) {
  CHECK(on, "[text encoder] the built-in one knows nothing before it is trained: it cannot be frozen");
}

Json WordTransformer::identity() const { return to_json(config_); }

std::vector<std::string> WordTransformer::notes(const std::vector<std::string>& prompts) const {
  std::vector<std::string> notes;
  for (const std::string& prompt : prompts) {
    std::string list;
    for (const std::string& word : vocabulary_.unknown_words(prompt)) list += (list.empty() ? "" : ", ") + word;
    const size_t length = split_words(prompt).size();
    if (length > size_t(config_.max_words))
      notes.push_back("a prompt has " + std::to_string(length) + " words; the model reads the first " +
                      std::to_string(config_.max_words));
    if (!list.empty()) notes.push_back("\"" + prompt + "\": the model has never seen: " + list);
  }
  return notes;
}

void WordTransformer::check_same(const TensorFile& file, const Json& stored, const std::string& source) const {
  check_same_model({{"text", identity()}}, {{"text", stored}}, source);
  const auto words = file.metadata.find("vocabulary");
  CHECK_INPUT(words != file.metadata.end(), source, ": the vocabulary is missing");
  CHECK_INPUT(
      words->second == stored_vocabulary(), source,
      ": the captions hold other words than those that the checkpoint was trained on: the data set has changed. "
      "Restore it, or begin a new run with another --out");
}

}  // namespace kg
