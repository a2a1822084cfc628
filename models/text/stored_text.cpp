#include "models/text/stored_text.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "data/formats/checkpoint.h"

namespace kg {
namespace {

constexpr const char* kFeaturesKind = "text_features";

std::string text_of(const Json& json, const char* key, const std::string& source) {
  const auto found = json.find(key);
  CHECK_INPUT(found != json.end() && found->is_string(), source, ": the text encoder's entry lacks ", key);
  return found->get<std::string>();
}

std::string stored_vocabulary(const TensorFile& file, const std::string& source) {
  const auto words = file.metadata.find("vocabulary");
  CHECK_INPUT(words != file.metadata.end(), source, ": the vocabulary is missing");
  return words->second;
}

}  // namespace

Json to_json(const TextIdentity& identity) {
  const auto whole = [](const std::filesystem::path& path) {
    return path.empty() ? "" : std::filesystem::absolute(path).lexically_normal().string();
  };
  return {{"kind", identity.kind},
          {"file", whole(identity.file)},
          {"words", whole(identity.words)},
          {"weights", identity.weights},
          {"vocabulary", identity.vocabulary}};
}

bool is_pretrained(const Json& text) { return text.is_object() && text.contains("kind"); }

void check_same_encoder(const TextIdentity& own, const Json& stored, const std::string& source) {
  const std::string file = text_of(stored, "file", source);
  const auto check = [&](const char* what, const std::string& had, const std::string& has) {
    CHECK_INPUT(had == has, source, ": it was trained with another text encoder: ", what, " ", had, " (", file,
                "), here ", what, " ", has, " (", own.file.string(), "). Give that one with --text-encoder");
  };
  check("kind", text_of(stored, "kind", source), own.kind);
  check("weights", text_of(stored, "weights", source), own.weights);
  check("vocabulary", text_of(stored, "vocabulary", source), own.vocabulary);
}

std::unique_ptr<PretrainedText> open_stored_encoder(const Json& stored, const TextEncoderChoice& choice,
                                                    const std::string& source) {
  const std::string kind = text_of(stored, "kind", source), file = text_of(stored, "file", source);
  CHECK_INPUT(choice.source != "builtin", source, ": it was trained with the text encoder ", kind, ":", file,
              ", not with the built-in one");
  if (!choice.pretrained())
    CHECK_INPUT(std::filesystem::exists(file), source, ": its text encoder ", kind, ":", file,
                " is not there any more. Say where it is now with --text-encoder ", kind, ":FILE (weights ",
                text_of(stored, "weights", source), ")");
  const bool as_stored = choice.vocabulary.empty() && !choice.pretrained();
  auto text = open_text_encoder(choice.pretrained() ? choice.source : kind + ":" + file,
                                as_stored ? text_of(stored, "words", source) : choice.vocabulary);
  check_same_encoder(text->identity(), stored, source);
  return text;
}

Json text_json(const TextEncoder& text) {
  if (const auto* pretrained = dynamic_cast<const PretrainedText*>(&text)) return to_json(pretrained->identity());
  return to_json(dynamic_cast<const WordTransformer&>(text).config());
}
void save_text(TensorFile& file, const TextEncoder& text) {
  const auto* words = dynamic_cast<const WordTransformer*>(&text);
  if (!words) return;
  append(file, "text.", words->state_dict());
  file.metadata["vocabulary"] = words->vocabulary().to_string();
}
std::unique_ptr<TextEncoder> open_text(const TensorFile& file, const Json& part, const TextEncoderChoice& choice,
                                       const std::string& source) {
  if (is_pretrained(part)) return open_stored_encoder(part, choice, source);
  CHECK_INPUT(!choice.pretrained(), source, ": it holds the text encoder that it was trained with; leave away ",
              "--text-encoder ", choice.source);
  return made_from(source, [&] {
    return std::make_unique<WordTransformer>(WordVocabulary::from_string(stored_vocabulary(file, source)),
                                             read_config<WordTransformerConfig>(part, source));
  });
}
void load_text(TextEncoder& text, const TensorFile& file, const Json& part, const std::string& source) {
  const auto* words = dynamic_cast<const WordTransformer*>(&text);
  if (!words) {
    CHECK_INPUT(is_pretrained(part), source, ": it was trained with the built-in text encoder");
    return check_same_encoder(dynamic_cast<const PretrainedText&>(text).identity(), part, source);
  }
  check_same_model({{"text", text_json(text)}}, {{"text", part}}, source);
  CHECK_INPUT(
      stored_vocabulary(file, source) == words->vocabulary().to_string(), source,
      ": the captions hold other words than those that the checkpoint was trained on: the data set has changed. "
      "Restore it, or begin a new run with another --out");
  text.load_state_dict(extract(file, "text."), source);
}

std::unique_ptr<TextEncoder> make_text_encoder(const TextEncoderChoice& choice, const WordTransformerConfig& builtin,
                                               const std::vector<std::string>& captions) {
  if (choice.pretrained()) return open_text_encoder(choice.source, choice.vocabulary);
  return std::make_unique<WordTransformer>(WordVocabulary::build(captions), builtin);
}

Tensor cached_features(const PretrainedText& text, const std::vector<std::string>& captions,
                       const std::filesystem::path& cache,
                       const std::function<void(const std::string&)>& say) {
  TensorFile key;
  for (const std::string& caption : captions) {
    const std::vector<int> ids = text.tokens(caption);
    key.tensors.emplace_back("", Tensor::from(ids, {int64_t(ids.size())}));
  }
  key.metadata["weights"] = text.identity().weights;
  char name[40];
  std::snprintf(name, sizeof name, "-%016llx.safetensors", static_cast<unsigned long long>(content_checksum(key)));
  const std::filesystem::path path = cache / (text.identity().kind + name);
  const Shape shape{int64_t(captions.size()), text.width()};
  if (std::filesystem::exists(path)) {
    const TensorFile file = read_checkpoint(path, kFeaturesKind);
    const Tensor* found = file.find("features");
    CHECK_INPUT(found && found->shape() == shape, path.string(), ": holds no features ", shape, "; remove it");
    say("text features: " + path.string());
    return *found;
  }
  const auto start = std::chrono::steady_clock::now();
  const Tensor features = encode_captions(text, captions);
  std::filesystem::create_directories(cache);
  TensorFile file;
  file.tensors.emplace_back("features", features);
  write_checkpoint(path, kFeaturesKind, file);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  say("text features: " + std::to_string(captions.size()) + " captions in " +
                 std::to_string(int(seconds.count() + 0.5)) + " s, kept in " + path.string());
  return features;
}

TextCondition::TextCondition(const TextEncoder& text, std::vector<std::string> captions, Device device,
                             const std::filesystem::path& cache,
                       const std::function<void(const std::string&)>& say)
    : text_(text) {
  if (!text.frozen()) {
    if (device != Device::cpu) longest_ = text.prepare(captions).words.size(1);
    return;
  }
  std::sort(captions.begin(), captions.end());
  captions.erase(std::unique(captions.begin(), captions.end()), captions.end());
  for (const std::string& caption : captions) rows_.emplace(caption, int32_t(rows_.size()));
  features_ = cached_features(dynamic_cast<const PretrainedText&>(text), captions, cache, say);
}

std::vector<Tensor> TextCondition::inputs(const std::vector<std::string>& captions, Dtype dtype) const {
  if (!features_.defined()) {
    const TextBatch batch = text_.prepare(captions, longest_);
    return {batch.words, batch.mask, batch.share};
  }
  std::vector<int32_t> rows;
  for (const std::string& caption : captions) rows.push_back(rows_.at(caption));
  return {index_select(features_, 0, Tensor::from(rows, {int64_t(rows.size())})).to(dtype)};
}

Var TextCondition::operator()(const Tensor* in) const {
  return features_.defined() ? Var(in[0]) : text_.encode(TextBatch{in[0], in[1], in[2]});
}

}  // namespace kg
