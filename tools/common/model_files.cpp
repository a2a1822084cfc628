#include "tools/common/model_files.h"

#include "data/motion/skeleton.h"
#include "tools/common/run_folder.h"

namespace kg {

using Json = nlohmann::ordered_json;

Json read_model_config(const TensorFile& file, const std::string& source) {
  const auto found = file.metadata.find("model");
  CHECK_INPUT(found != file.metadata.end(), source, ": no model configuration in the metadata");
  try {
    return Json::parse(found->second);
  } catch (const Json::exception& e) {
    fail(ErrorCode::input, source, ": the model configuration is not JSON: ", e.what());
  }
}

// An integer of the configuration that must be positive and not absurd.
int64_t read_size(const Json& json, const char* key, const std::string& source) {
  const auto found = json.find(key);
  CHECK_INPUT(found != json.end() && found->is_number_integer(), source, ": model configuration lacks ", key);
  const int64_t value = found->get<int64_t>();
  CHECK_INPUT(value > 0 && value <= 1 << 20, source, ": model configuration has ", key, " = ", value);
  return value;
}
const Json& read_part(const Json& json, const char* key, const std::string& source) {
  CHECK_INPUT(json.is_object() && json.contains(key) && json[key].is_object(), source, ": model configuration lacks ",
              key);
  return json[key];
}

void check_same_model(const Json& own, const Json& stored, const std::string& source) {
  CHECK_INPUT(own == stored, source, ": the checkpoint is of another model or preset.\n  it holds  ", stored.dump(),
              "\n  expected  ", own.dump(), "\nUse the preset it was trained with, or another --out.");
}

void append_statistics(TensorFile& file, const Statistics& s) {
  file.tensors.emplace_back("statistics.mean", s.mean);
  file.tensors.emplace_back("statistics.std", s.std);
}
Statistics read_statistics(const TensorFile& file, const std::string& source) {
  const Tensor *mean = file.find("statistics.mean"), *std = file.find("statistics.std");
  CHECK_INPUT(mean && std, source, ": the statistics of the training data are missing");
  for (const Tensor* t : {mean, std})
    CHECK_INPUT(t->shape() == Shape({kFeatures}) && t->dtype() == Dtype::f32, source, ": the statistics must be (",
                kFeatures, ") f32, are ", t->shape(), " ", name_of(t->dtype()));
  const Statistics s{*mean, *std};
  check_statistics(s, source + ", statistics");
  return s;
}

bool same_statistics(const Statistics& a, const Statistics& b) {
  const auto same = [](const Tensor& x, const Tensor& y) {
    return std::equal(x.data<float>(), x.data<float>() + kFeatures, y.data<float>());
  };
  return same(a.mean, b.mean) && same(a.std, b.std);
}

namespace {

double read_number(const Json& json, const char* key, const std::string& source) {
  const auto found = json.find(key);
  CHECK_INPUT(found != json.end() && found->is_number(), source, ": model configuration lacks ", key);
  return found->get<double>();
}
double read_dropout(const Json& json, const std::string& source) {
  const double value = read_number(json, "dropout", source);
  CHECK_INPUT(value >= 0 && value < 1, source, ": model configuration has dropout = ", value, ", must be in [0, 1)");
  return value;
}
VqVaeConfig vqvae_config(const Json& j, const std::string& source) {
  VqVaeConfig c;
  c.features = read_size(j, "features", source);
  CHECK_INPUT(c.features == kFeatures, source, ": model configuration has features = ", c.features, ", motions have ",
              kFeatures);
  c.width = read_size(j, "width", source);
  c.codes = read_size(j, "codes", source);
  CHECK_INPUT(j.contains("quantizer") && j["quantizer"].is_string(), source, ": model configuration lacks quantizer");
  c.update = codebook_update_from(j["quantizer"].get<std::string>());
  c.decay = read_number(j, "decay", source);
  c.reset_below = read_number(j, "reset_below", source);
  c.commitment = read_number(j, "commitment", source);
  c.position = read_number(j, "position", source);
  return c;
}
GptConfig gpt_config(const Json& j, const std::string& source) {
  GptConfig c;
  c.codes = read_size(j, "codes", source);
  c.condition = read_size(j, "condition", source);
  c.width = read_size(j, "width", source);
  c.heads = read_size(j, "heads", source);
  c.layers = read_size(j, "layers", source);
  c.feedforward = read_size(j, "feedforward", source);
  c.context = read_size(j, "context", source);
  c.dropout = read_dropout(j, source);
  return c;
}
WordTransformerConfig text_config(const Json& j, const std::string& source) {
  WordTransformerConfig c;
  c.width = read_size(j, "width", source);
  c.layers = read_size(j, "layers", source);
  c.heads = read_size(j, "heads", source);
  c.feedforward = read_size(j, "feedforward", source);
  c.max_words = read_size(j, "max_words", source);
  c.dropout = read_dropout(j, source);
  return c;
}

Json text_json(const TextEncoder& text) {
  if (const auto* pretrained = dynamic_cast<const PretrainedText*>(&text)) return to_json(pretrained->identity());
  return to_json(dynamic_cast<const WordTransformer&>(text).config());
}
std::string read_vocabulary_of(const TensorFile& file, const std::string& source) {
  const auto words = file.metadata.find("vocabulary");
  CHECK_INPUT(words != file.metadata.end(), source, ": the vocabulary is missing");
  return words->second;
}

// What a constructor refuses in a stored configuration is bad input.
template <class Make>
auto made_from(const std::string& source, Make make) {
  try {
    return make();
  } catch (const Error& error) {
    fail(ErrorCode::input, source, ": the model configuration does not fit: ", error.what());
  }
}

// The model's own entries: everything that is not under another prefix.
NamedTensors without_prefixes(const TensorFile& file, std::initializer_list<const char*> prefixes) {
  NamedTensors own;
  for (const auto& [name, tensor] : file.tensors) {
    bool other = false;
    for (const char* prefix : prefixes) other = other || name.starts_with(prefix);
    if (!other) own.emplace_back(name, tensor);
  }
  return own;
}

}  // namespace

Json to_json(const VqVaeConfig& c) {
  return {{"features", c.features},         {"width", c.width},      {"codes", c.codes},
          {"quantizer", name_of(c.update)}, {"decay", c.decay},      {"reset_below", c.reset_below},
          {"commitment", c.commitment},     {"position", c.position}};
}
Json to_json(const GptConfig& c) {
  return {{"codes", c.codes},   {"condition", c.condition},     {"width", c.width},     {"heads", c.heads},
          {"layers", c.layers}, {"feedforward", c.feedforward}, {"context", c.context}, {"dropout", c.dropout}};
}
Json to_json(const WordTransformerConfig& c) {
  return {{"width", c.width},         {"layers", c.layers},  {"heads", c.heads}, {"feedforward", c.feedforward},
          {"max_words", c.max_words}, {"dropout", c.dropout}};
}

void append(TensorFile& file, const std::string& prefix, const NamedTensors& entries) {
  for (const auto& [name, tensor] : entries)
    file.tensors.emplace_back(prefix + name, tensor.to(Device::cpu).contiguous());
}
NamedTensors extract(const TensorFile& file, const std::string& prefix) {
  NamedTensors found;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor);
  return found;
}

TensorFile tokenizer_file(const MotionTokenizer& tokenizer) {
  TensorFile file;
  append(file, "", tokenizer.model.state_dict());
  append_statistics(file, tokenizer.statistics);
  file.metadata["model"] = Json{{"vqvae", to_json(tokenizer.model.config())}}.dump();
  return file;
}
TensorFile t2m_gpt_file(const T2mGpt& model) {
  TensorFile file = tokenizer_file(model.tokenizer);
  append(file, "", model.gpt.state_dict());
  if (const auto* words = dynamic_cast<const WordTransformer*>(model.text.get())) {
    append(file, "text.", words->state_dict());
    file.metadata["vocabulary"] = words->vocabulary().to_string();
  }
  file.metadata["model"] = Json{
      {"vqvae", to_json(model.tokenizer.model.config())},
      {"gpt", to_json(model.gpt.config())},
      {"text",
       text_json(*model.text)}}.dump();
  return file;
}

void append_training(TensorFile& file, const AdamW& optimizer, const TrainingState& state) {
  append(file, "optim.", optimizer.state());
  pack(state, file.metadata);
}
TrainingState load_training(const TensorFile& file, AdamW& optimizer, const std::string& source) {
  optimizer.load_state(extract(file, "optim."), source);
  return unpack_training_state(file.metadata, source);
}

void load_tokenizer_weights(MotionTokenizer& tokenizer, const TensorFile& file, const std::string& source) {
  check_same_model({{"vqvae", to_json(tokenizer.model.config())}},
                   {{"vqvae", read_part(read_model_config(file, source), "vqvae", source)}}, source);
  const Statistics stored = read_statistics(file, source);
  CHECK_INPUT(!tokenizer.statistics.mean.defined() || same_statistics(tokenizer.statistics, stored), source,
              ": the checkpoint was trained under other statistics than these: the data set or --root-weight has "
              "changed. Restore them, or begin a new run with another --out");
  tokenizer.statistics = stored;
  NamedTensors own;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with("vqvae.")) own.emplace_back(name, tensor);
  tokenizer.model.load_state_dict(own, source);
}
void load_t2m_gpt_weights(T2mGpt& model, const TensorFile& file, const std::string& source) {
  const auto* words = dynamic_cast<const WordTransformer*>(model.text.get());
  const Json stored = read_model_config(file, source), &text = read_part(stored, "text", source);
  Json expected = {{"vqvae", to_json(model.tokenizer.model.config())},
                   {"gpt", to_json(model.gpt.config())},
                   {"text", text_json(*model.text)}};
  if (!words && is_pretrained(text)) {  // the same one may lie elsewhere now
    check_same_encoder(dynamic_cast<const PretrainedText&>(*model.text).identity(), text, source);
    expected["text"] = text;
  }
  check_same_model(expected, stored, source);
  CHECK_INPUT(
      !words || read_vocabulary_of(file, source) == words->vocabulary().to_string(), source,
      ": the captions hold other words than those that the checkpoint was trained on: the data set has changed. "
      "Restore it, or begin a new run with another --out");
  load_tokenizer_weights(model.tokenizer, file, source);
  model.gpt.load_state_dict(without_prefixes(file, {"vqvae.", "statistics.", "text.", "optim."}), source);
  if (words) model.text->load_state_dict(extract(file, "text."), source);
}

std::unique_ptr<MotionTokenizer> load_tokenizer(const std::filesystem::path& model) {
  const std::filesystem::path path = find_checkpoint(model);
  const TensorFile file = read_checkpoint(path, kTokenizerKind);
  const std::string source = path.string();
  const Json config = read_model_config(file, source);
  const init::SkipRandom skip;
  auto tokenizer = made_from(source, [&] {
    return std::make_unique<MotionTokenizer>(vqvae_config(read_part(config, "vqvae", source), source));
  });
  load_tokenizer_weights(*tokenizer, file, source);
  tokenizer->model.eval();
  return tokenizer;
}
std::unique_ptr<T2mGpt> load_t2m_gpt(const std::filesystem::path& model, const TextEncoderChoice& choice) {
  const std::filesystem::path path = find_checkpoint(model);
  const std::string source = path.string();
  const TensorFile file = read_checkpoint(path, kT2mGptKind);
  const Json config = read_model_config(file, source), &text_part = read_part(config, "text", source);
  const init::SkipRandom skip;
  std::unique_ptr<TextEncoder> text;
  if (is_pretrained(text_part)) {
    text = open_stored_encoder(text_part, choice, source);
  } else {
    CHECK_INPUT(!choice.pretrained(), source, ": it holds the text encoder that it was trained with; leave away ",
                "--text-encoder ", choice.source);
    text = made_from(source, [&] {
      return std::make_unique<WordTransformer>(WordVocabulary::from_string(read_vocabulary_of(file, source)),
                                               text_config(text_part, source));
    });
  }
  auto result = made_from(source, [&] {
    return std::make_unique<T2mGpt>(vqvae_config(read_part(config, "vqvae", source), source),
                                    gpt_config(read_part(config, "gpt", source), source), std::move(text));
  });
  load_t2m_gpt_weights(*result, file, source);
  result->train(false);
  return result;
}

}  // namespace kg
