#include "tools/common/text_encoders.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "data/formats/checkpoint.h"
#include "nn/distributed.h"
#include "tools/common/run_folder.h"

namespace kg {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFeaturesKind = "text_features";

std::string text_of(const Json& json, const char* key, const std::string& source) {
  const auto found = json.find(key);
  CHECK_INPUT(found != json.end() && found->is_string(), source, ": the text encoder's entry lacks ", key);
  return found->get<std::string>();
}

void say(bool quiet, const std::string& text) {
  if (!quiet && leads()) std::fprintf(stderr, "%s\n", text.c_str());
}

}  // namespace

void add_options(Cli& cli, TextEncoderChoice& choice, const char* help) {
  cli.add("text-encoder", &choice.source, help).value_name("KIND:FILE");
  cli.group("Text encoder", true);
  cli.add("text-vocabulary", &choice.vocabulary, "its vocabulary file or folder, if not beside the weights")
      .value_name("FILE");
}

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
                                as_stored ? text_of(stored, "words", source) : choice.vocabulary.string());
  check_same_encoder(text->identity(), stored, source);
  return text;
}

Tensor cached_features(const PretrainedText& text, const std::vector<std::string>& captions,
                       const std::filesystem::path& cache, bool quiet) {
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
    say(quiet, "text features: " + path.string());
    return *found;
  }
  const auto start = std::chrono::steady_clock::now();
  const Tensor features = encode_captions(text, captions);
  make_output_folder(cache);
  TensorFile file;
  file.tensors.emplace_back("features", features);
  write_checkpoint(path, kFeaturesKind, file);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  say(quiet, "text features: " + std::to_string(captions.size()) + " captions in " +
                 std::to_string(int(seconds.count() + 0.5)) + " s, kept in " + path.string());
  return features;
}

TextCondition::TextCondition(const TextEncoder& text, std::vector<std::string> captions, Device device,
                             const std::filesystem::path& cache, bool quiet)
    : text_(text) {
  if (!text.frozen()) {
    if (device != Device::cpu) longest_ = text.prepare(captions).words.size(1);
    return;
  }
  std::sort(captions.begin(), captions.end());
  captions.erase(std::unique(captions.begin(), captions.end()), captions.end());
  for (const std::string& caption : captions) rows_.emplace(caption, int32_t(rows_.size()));
  features_ = cached_features(dynamic_cast<const PretrainedText&>(text), captions, cache, quiet);
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
