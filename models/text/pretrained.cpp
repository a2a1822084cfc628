#include "models/text/pretrained.h"

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <sstream>

#include "data/formats/checkpoint.h"
#include "data/formats/weights.h"
#include "data/text/clip_bpe.h"
#include "data/text/wordpiece.h"
#include "models/text/pooling.h"
#include "models/text/public_config.h"
#include "models/text/weight_names.h"

namespace kg {
namespace {

std::string checksum_of(const TensorFile& file) {
  std::ostringstream text;
  text << std::hex << std::setfill('0') << std::setw(16) << content_checksum(file);
  return text.str();
}

std::string vocabulary_checksum(const Tokenizer& tokenizer, size_t max_tokens) {
  constexpr const char* kSentences[] = {"A person walks forward, then turns 90 degrees to the left.",
                                        "he's doing jumping-jacks & waves; 3 times!", "na\u00efve \u00fcber \u00e7a",
                                        "sidestepping, zombie-like shuffling"};
  TensorFile file;
  for (const char* sentence : kSentences) {
    const std::vector<int> ids = tokenizer.encode(sentence, max_tokens);
    file.tensors.emplace_back("ids", Tensor::from(ids, {int64_t(ids.size())}));
  }
  return checksum_of(file);
}

class ClipFeatures : public PretrainedText {
 public:
  ClipFeatures(TextIdentity identity, std::unique_ptr<Tokenizer> tokenizer, const ClipTextConfig& config,
               const NamedTensors& weights)
      : PretrainedText(identity, std::move(tokenizer), config.vocabulary, config.positions), model(config) {
    take(model, weights);
  }
  TextBatch prepare(const std::vector<std::string>& captions, int64_t length) const override {
    TextBatch batch = PretrainedText::prepare(captions, length);
    const Tensor& like = batch.share;
    batch.share = clip_end(batch.words.to(Device::cpu)).to(like.dtype()).to(like.device());
    return batch;
  }
  Var encode(const TextBatch& batch) const override { return model(batch.words, batch.share); }
  int64_t width() const override { return model.config().projection; }

 private:
  ClipText model;
};

class BertFeatures : public PretrainedText {
 public:
  BertFeatures(TextIdentity identity, std::unique_ptr<Tokenizer> tokenizer, const BertConfig& config,
               const NamedTensors& weights)
      : PretrainedText(identity, std::move(tokenizer), config.vocabulary, config.positions), model(config) {
    take(model, weights);
  }
  Var encode(const TextBatch& batch) const override { return pool(model.hidden(batch.words, batch.mask), batch.share); }
  std::vector<Tensor> token_states(const std::vector<std::string>& captions) const override {
    constexpr size_t kTogether = 64;
    NoGrad guard;
    std::vector<Tensor> states;
    for (size_t first = 0; first < captions.size(); first += kTogether) {
      const size_t last = std::min(captions.size(), first + kTogether);
      const TextBatch batch = prepare({captions.begin() + int64_t(first), captions.begin() + int64_t(last)}, 0);
      const Tensor hidden = model.hidden(batch.words, batch.mask).value.to(Device::cpu).to(Dtype::f32);
      for (size_t i = first; i < last; ++i)
        states.push_back(hidden.select(0, int64_t(i - first)).slice(0, 0, int64_t(tokens(captions[i]).size())));
    }
    return states;
  }
  int64_t width() const override { return model.config().width; }

 private:
  Bert model;
};

}  // namespace

PretrainedText::PretrainedText(TextIdentity identity, std::unique_ptr<Tokenizer> tokenizer, int64_t rows,
                               int64_t max_tokens)
    : identity_(std::move(identity)), tokenizer_(std::move(tokenizer)), max_tokens_(size_t(max_tokens)) {
  CHECK_INPUT(tokenizer_->size() == rows, identity_.file.string(), ": the vocabulary has ", tokenizer_->size(),
              " tokens, the weights have rows for ", rows, ": it is of another model");
  identity_.vocabulary = vocabulary_checksum(*tokenizer_, max_tokens_);
}

std::vector<Tensor> PretrainedText::token_states(const std::vector<std::string>&) const {
  fail(ErrorCode::usage, identity_.kind, ":", identity_.file.string(), " cannot compare captions token by token; use ",
       "bert:FILE");
}

void PretrainedText::take(Module& model, const NamedTensors& weights) {
  model.load_state_dict(weights, identity_.file.string());
  reg("model", model);
  set_requires_grad(false);
  eval();
}

TextBatch PretrainedText::prepare(const std::vector<std::string>& captions, int64_t length) const {
  std::vector<std::vector<int>> ids;
  for (const std::string& caption : captions) ids.push_back(tokens(caption));
  const Tensor& like = named_parameters().front().second->value;
  return text_batch(ids, std::min(length, int64_t(max_tokens_)), tokenizer_->pad(), like);
}

std::unique_ptr<PretrainedText> open_text_encoder(const std::string& source, const std::filesystem::path& vocabulary) {
  const size_t colon = source.find(':');
  TextIdentity identity{source.substr(0, colon), colon == std::string::npos ? "" : source.substr(colon + 1), vocabulary,
                        "", ""};
  if ((identity.kind != "clip" && identity.kind != "bert") || identity.file.empty())
    fail(ErrorCode::usage, "text encoder \"", source, "\": use builtin, clip:FILE or bert:FILE");
  const bool clip = identity.kind == "clip";
  const std::string name = identity.file.string();
  const NamedTensors file = read_weights(identity.file).tensors;
  NamedTensors weights = clip ? clip_text_weights(file, name) : bert_weights(file, name);
  std::erase_if(weights, [](const auto& entry) { return entry.first.starts_with("pooler."); });  // features need none
  identity.weights = checksum_of({weights, {}});
  const std::filesystem::path folder =
      std::filesystem::is_directory(identity.file) ? identity.file : identity.file.parent_path();
  const std::string words = (vocabulary.empty() ? folder : vocabulary).string();
  const init::SkipRandom skip;
  if (clip)
    return std::make_unique<ClipFeatures>(identity, std::make_unique<ClipTokenizer>(ClipTokenizer::open(words)),
                                          public_clip_config(weights, identity.file), weights);
  return std::make_unique<BertFeatures>(identity, std::make_unique<WordPieceTokenizer>(WordPieceTokenizer::open(words)),
                                        public_bert_config(weights, identity.file), weights);
}

Tensor encode_captions(const PretrainedText& text, const std::vector<std::string>& captions, int64_t batch) {
  NoGrad guard;
  const size_t n = captions.size();
  std::vector<size_t> length, order(n);
  for (const std::string& caption : captions) length.push_back(text.tokens(caption).size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return length[a] < length[b]; });
  const Tensor features = Tensor::empty({int64_t(n), text.width()});
  for (size_t first = 0; first < n; first += size_t(batch)) {
    const size_t last = std::min(n, first + size_t(batch));
    std::vector<std::string> some;
    for (size_t i = first; i < last; ++i) some.push_back(captions[order[i]]);
    const Tensor rows = text.encode(some).value.to(Device::cpu).to(Dtype::f32);
    for (size_t i = first; i < last; ++i)
      features.select(0, int64_t(order[i])).copy_from(rows.select(0, int64_t(i - first)));
  }
  return features;
}

Tensor sentence_vectors(const PretrainedText& text, const std::vector<std::string>& captions, int64_t batch) {
  NoGrad guard;
  return l2_normalize(Var(encode_captions(text, captions, batch))).value;
}

}  // namespace kg
