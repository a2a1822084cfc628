#include "tools/common/model_files.h"

#include "tools/common/run_folder.h"

namespace kg {

namespace {

Json text_json(const TextEncoder& text) {
  if (const auto* pretrained = dynamic_cast<const PretrainedText*>(&text)) return to_json(pretrained->identity());
  return to_json(dynamic_cast<const WordTransformer&>(text).config());
}
std::string read_vocabulary_of(const TensorFile& file, const std::string& source) {
  const auto words = file.metadata.find("vocabulary");
  CHECK_INPUT(words != file.metadata.end(), source, ": the vocabulary is missing");
  return words->second;
}

}  // namespace

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
  take_statistics(tokenizer.statistics, file, source);
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
  model.gpt.load_state_dict(without(file, {"vqvae.", "statistics.", "text.", "optim."}), source);
  if (words) model.text->load_state_dict(extract(file, "text."), source);
}

std::unique_ptr<MotionTokenizer> load_tokenizer(const std::filesystem::path& model) {
  const std::filesystem::path path = find_checkpoint(model);
  const TensorFile file = read_checkpoint(path, kTokenizerKind);
  const std::string source = path.string();
  const Json config = read_model_config(file, source);
  const init::SkipRandom skip;
  auto tokenizer = made_from(source, [&] {
    return std::make_unique<MotionTokenizer>(read_config<VqVaeConfig>(read_part(config, "vqvae", source), source));
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
                                               read_config<WordTransformerConfig>(text_part, source));
    });
  }
  auto result = made_from(source, [&] {
    return std::make_unique<T2mGpt>(read_config<VqVaeConfig>(read_part(config, "vqvae", source), source),
                                    read_config<GptConfig>(read_part(config, "gpt", source), source), std::move(text));
  });
  load_t2m_gpt_weights(*result, file, source);
  result->train(false);
  return result;
}

}  // namespace kg
