#include "models/text/pretrained.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "data/formats/checkpoint.h"
#include "data/formats/weights.h"
#include "data/text/clip_bpe.h"
#include "data/text/wordpiece.h"
#include "data/text/words.h"
#include "models/model_file.h"
#include "models/text/features.h"
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

std::string checksum_of_ids(const Tokenizer& tokenizer, size_t max_tokens, const std::vector<std::string>& sentences) {
  TensorFile file;
  for (const std::string& sentence : sentences) {
    const std::vector<int> ids = tokenizer.encode(sentence, max_tokens);
    file.tensors.emplace_back("ids", Tensor::from(ids, {int64_t(ids.size())}));
  }
  return checksum_of(file);
}
std::string vocabulary_checksum(const Tokenizer& tokenizer, size_t max_tokens) {
  return checksum_of_ids(
      tokenizer, max_tokens,
      {"A person walks forward, then turns 90 degrees to the left.", "he's doing jumping-jacks & waves; 3 times!",
       "na\u00efve \u00fcber \u00e7a", "sidestepping, zombie-like shuffling"});
}
// Of what tokenizers differ in: case, accents (composed and not), Chinese characters, spaces, special tokens that are
// spelled out, HTML, marks, long words, texts that are cut off.
std::string reading_checksum(const Tokenizer& tokenizer, size_t max_tokens) {
  std::string longer, longest_word;
  for (int i = 0; i < 600; ++i) longer += "walk a man, ", longest_word += "aw";
  return checksum_of_ids(
      tokenizer, max_tokens,
      {"", "WALK Walk walk", "caf\u00e9 CAFE\u0301 \u0130stanbul", "\u4eba walk\u4eba\u8d70 a\u4eba",
       "a\tman\n walks\u00a0 on", "[CLS] walk [SEP] <|endoftext|> [MASK]",
       "a man &amp; a person&#39;s \u201cwalk\u201d", "1234567890 ... a-b_c/d \U0001f6b6", longer, longest_word});
}

std::vector<NamedBytes> read_vocabulary_files(const std::string& kind, const std::string& path) {
  return kind == "clip" ? ClipTokenizer::read_files(path) : WordPieceTokenizer::read_files(path);
}
std::unique_ptr<Tokenizer> make_tokenizer(const std::string& kind, const std::vector<NamedBytes>& files) {
  if (kind == "clip") return std::make_unique<ClipTokenizer>(ClipTokenizer::from_files(files));
  return std::make_unique<WordPieceTokenizer>(WordPieceTokenizer::from_files(files));
}

class ClipFeatures : public PretrainedText {
 public:
  ClipFeatures(TextOrigin origin, const ClipTextConfig& config, const NamedTensors& weights)
      : PretrainedText(std::move(origin), config.vocabulary, config.positions), model(config) {
    take(model, weights);
  }
  TextBatch prepare(const std::vector<std::string>& captions, int64_t length) const override {
    TextBatch batch = PretrainedText::prepare(captions, length);
    const Tensor& like = batch.share;
    batch.share = clip_end(batch.words.to(Device::cpu)).to(like.dtype()).to(like.device());
    return batch;
  }
  Var states(const TextBatch& batch) const override { return model.hidden(batch.words); }
  Var pooled(const Var& states, const TextBatch& batch) const override { return model.feature(states, batch.share); }
  int64_t width() const override { return model.config().projection; }
  int64_t state_width() const override { return model.config().width; }

 private:
  Json configuration() const override {
    Json config = to_json(model.config());
    config["pooling"] = "end";
    return config;
  }
  ClipText model;
};

class BertFeatures : public PretrainedText {
 public:
  BertFeatures(TextOrigin origin, const BertConfig& config, const NamedTensors& weights)
      : PretrainedText(std::move(origin), config.vocabulary, config.positions), model(config) {
    take(model, weights);
  }
  Var states(const TextBatch& batch) const override { return model.hidden(batch.words, batch.mask); }
  int64_t width() const override { return model.config().width; }
  int64_t state_width() const override { return model.config().width; }

 private:
  Json configuration() const override {
    Json config = to_json(model.config());
    config["pooling"] = "mean";
    return config;
  }
  Bert model;
};

}  // namespace

PretrainedText::PretrainedText(TextOrigin origin, int64_t rows, int64_t max_tokens)
    : origin_(std::move(origin)),
      tokenizer_(make_tokenizer(origin_.kind, origin_.vocabulary)),
      max_tokens_(size_t(max_tokens)) {
  CHECK_INPUT(tokenizer_->size() == rows, origin_.file.string(), ": the vocabulary has ", tokenizer_->size(),
              " tokens, the weights have rows for ", rows, ": it is of another model");
}

void PretrainedText::take(Module& model, const NamedTensors& weights) {
  model.load_state_dict(weights, origin_.file.string());
  reg("model", model);
  set_trainable(false);
}

void PretrainedText::set_trainable(bool on) {
  frozen_ = !on;
  set_requires_grad(on);
  if (!on) eval();
}

TextBatch PretrainedText::prepare(const std::vector<std::string>& captions, int64_t length) const {
  std::vector<std::vector<int>> ids;
  for (const std::string& caption : captions) ids.push_back(tokens(caption));
  const Tensor& like = named_parameters().front().second->value;
  return text_batch(ids, std::min(length, max_tokens()), tokenizer_->pad(), like);
}

std::vector<Tensor> PretrainedText::token_states(const std::vector<std::string>& captions) const {
  constexpr size_t kTogether = 64;
  if (origin_.kind != "bert")
    fail(ErrorCode::usage, origin_.kind, ":", origin_.file.string(),
         " cannot compare captions token by token; use bert:FILE");
  NoGrad guard;
  std::vector<Tensor> rows;
  for (size_t first = 0; first < captions.size(); first += kTogether) {
    const size_t last = std::min(captions.size(), first + kTogether);
    const TextBatch batch = prepare({captions.begin() + int64_t(first), captions.begin() + int64_t(last)}, 0);
    const Tensor hidden = states(batch).value.to(Device::cpu).to(Dtype::f32);
    for (size_t i = first; i < last; ++i)
      rows.push_back(hidden.select(0, int64_t(i - first)).slice(0, 0, int64_t(tokens(captions[i]).size())));
  }
  return rows;
}

std::vector<std::string> PretrainedText::notes(const std::vector<std::string>& prompts) const {
  std::vector<std::string> notes;
  for (const std::string& prompt : prompts) {
    const size_t length = tokenizer_->encode(prompt, SIZE_MAX).size();
    if (length > max_tokens_)
      notes.push_back("a prompt has " + std::to_string(length) + " tokens; the text encoder reads the first " +
                      std::to_string(max_tokens_));
    if (tokenizer_->unknown() < 0) continue;
    std::string list;
    for (const std::string& word : split_words(prompt)) {
      const std::vector<int> ids = tokens(word);
      if (std::find(ids.begin(), ids.end(), tokenizer_->unknown()) != ids.end())
        list += (list.empty() ? "" : ", ") + word;
    }
    if (!list.empty()) notes.push_back("\"" + prompt + "\": the text encoder does not know: " + list);
  }
  return notes;
}

// ---- identity

Json PretrainedText::identity() const {
  const auto whole = [](const std::filesystem::path& path) {
    return path.empty() ? "" : std::filesystem::absolute(path).lexically_normal().string();
  };
  Json config = configuration(), reading = Json::object();
  if (frozen_) config.erase("dropout");  // it changes no feature
  for (const auto& [name, on] : tokenizer_->settings()) reading[name] = on;
  reading["ids"] = reading_checksum(*tokenizer_, max_tokens_);
  Json identity{{"kind", origin_.kind},
                {"file", whole(origin_.file)},
                {"words", whole(origin_.words)},
                {"weights", origin_.weights},
                {"vocabulary", vocabulary_checksum(*tokenizer_, max_tokens_)},
                {"configuration", config},
                {"tokenizer", reading}};
  if (!frozen_) identity["trainable"] = true;
  return identity;
}

bool is_pretrained(const Json& stored) { return stored.is_object() && stored.contains("kind"); }

std::string text_of(const Json& stored, const char* key, const std::string& source) {
  const auto found = stored.find(key);
  CHECK_INPUT(found != stored.end() && found->is_string(), source, ": the text encoder's entry lacks ", key);
  return found->get<std::string>();
}

void PretrainedText::check_same(const TensorFile&, const Json& stored, const std::string& source) const {
  const Json own = identity();
  if (!is_pretrained(stored)) return check_same_model({{"text", own}}, {{"text", stored}}, source);
  const std::string file = text_of(stored, "file", source);
  const auto plain = [](const Json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); };
  const auto check = [&](const std::string& what, const Json& had, const Json& has) {
    CHECK_INPUT(had == has, source, ": it was trained with another text encoder: ", what, " ", plain(had), " (", file,
                "), here ", what, " ", plain(has), " (", origin_.file.string(), "). Give that one with --text-encoder");
  };
  for (const char* key : {"kind", "weights", "vocabulary"}) check(key, text_of(stored, key, source), own[key]);
  const bool trained = stored.contains("trainable");
  CHECK_INPUT(trained == !frozen_, source, ": its text encoder was ", trained ? "trained on" : "frozen", ", here it ",
              trained ? "is frozen" : "is trained on");
  for (const char* part : {"configuration", "tokenizer"}) {
    if (!stored.contains(part)) continue;  // an earlier version wrote it
    for (const auto& [key, had] : read_part(stored, part, source).items())
      check(part + (" " + key), had, own[part].value(key, Json()));
  }
}

// ---- opening

namespace {
std::unique_ptr<PretrainedText> make_pretrained(TextOrigin origin, const ClipTextConfig& config,
                                                const NamedTensors& weights) {
  return std::make_unique<ClipFeatures>(std::move(origin), config, weights);
}
std::unique_ptr<PretrainedText> make_pretrained(TextOrigin origin, const BertConfig& config,
                                                const NamedTensors& weights) {
  return std::make_unique<BertFeatures>(std::move(origin), config, weights);
}
}  // namespace

std::unique_ptr<PretrainedText> open_text_encoder(const std::string& source, const std::filesystem::path& vocabulary) {
  const size_t colon = source.find(':');
  TextOrigin origin{
      source.substr(0, colon), colon == std::string::npos ? "" : source.substr(colon + 1), vocabulary, "", {}};
  if ((origin.kind != "clip" && origin.kind != "bert") || origin.file.empty())
    fail(ErrorCode::usage, "text encoder \"", source, "\": use builtin, clip:FILE or bert:FILE");
  const bool clip = origin.kind == "clip";
  const std::filesystem::path path = origin.file;
  const NamedTensors file = read_weights(path).tensors;
  NamedTensors weights = clip ? clip_text_weights(file, path.string()) : bert_weights(file, path.string());
  std::erase_if(weights, [](const auto& entry) { return entry.first.starts_with("pooler."); });  // features need none
  origin.weights = checksum_of({weights, {}});
  const std::filesystem::path folder = std::filesystem::is_directory(path) ? path : path.parent_path();
  origin.vocabulary = read_vocabulary_files(origin.kind, (vocabulary.empty() ? folder : vocabulary).string());
  const init::SkipRandom skip;
  if (clip) return make_pretrained(std::move(origin), public_clip_config(weights, path), weights);
  return make_pretrained(std::move(origin), public_bert_config(weights, path), weights);
}

// The tokenizer's files as JSON: [[name, text], ...].
std::string PretrainedText::stored_vocabulary() const {
  Json files = Json::array();
  for (const NamedBytes& file : origin_.vocabulary)
    files.push_back({std::filesystem::path(file.name).filename().string(), file.bytes});
  return files.dump();
}

namespace {
std::vector<NamedBytes> vocabulary_from(const TensorFile& file, const std::string& source) {
  const auto found = file.metadata.find("vocabulary");
  CHECK_INPUT(found != file.metadata.end(), source, ": the vocabulary is missing");
  std::vector<NamedBytes> files;
  try {
    for (const Json& entry : Json::parse(found->second))
      files.push_back({source + "/" + entry.at(0).get<std::string>(), entry.at(1).get<std::string>()});
  } catch (const Json::exception& e) {
    fail(ErrorCode::input, source, ": the text encoder's vocabulary cannot be read: ", e.what());
  }
  return files;
}
}  // namespace

std::unique_ptr<PretrainedText> pretrained_text_from(const TensorFile& file, const Json& stored,
                                                     const std::string& source) {
  TextOrigin origin{text_of(stored, "kind", source), text_of(stored, "file", source), text_of(stored, "words", source),
                    text_of(stored, "weights", source), vocabulary_from(file, source)};
  const Json& config = read_part(stored, "configuration", source);
  const NamedTensors weights = extract(file, "text.model.");
  const init::SkipRandom skip;
  auto text = made_from(source, [&]() -> std::unique_ptr<PretrainedText> {
    if (origin.kind == "clip") return make_pretrained(origin, read_config<ClipTextConfig>(config, source), weights);
    CHECK_INPUT(origin.kind == "bert", "a text encoder of the kind \"", origin.kind, "\"");
    return make_pretrained(origin, read_config<BertConfig>(config, source), weights);
  });
  text->set_trainable(true);
  return text;
}

Tensor sentence_vectors(const PretrainedText& text, const std::vector<std::string>& captions, int64_t batch) {
  NoGrad guard;
  return l2_normalize(Var(encode_captions(text, captions, batch))).value;
}

}  // namespace kg
