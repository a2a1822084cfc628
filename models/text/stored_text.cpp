#include "models/text/stored_text.h"

#include <filesystem>

#include "models/model_file.h"
#include "models/text/pretrained.h"

namespace kg {

std::unique_ptr<TextEncoder> make_text_encoder(const TextEncoderChoice& choice, const WordTransformerConfig& words,
                                               const std::vector<std::string>& captions) {
  if (choice.pretrained()) return open_text_encoder(choice.source, choice.vocabulary);
  return std::make_unique<WordTransformer>(WordVocabulary::build(captions), words);
}

namespace {

// A frozen encoder, of which the file says only which it was.
std::unique_ptr<TextEncoder> open_frozen(const Json& stored, const TextEncoderChoice& choice,
                                         const std::string& source) {
  const std::string kind = text_of(stored, "kind", source), file = text_of(stored, "file", source);
  CHECK_INPUT(choice.source != "builtin", source, ": it was trained with the text encoder ", kind, ":", file,
              ", not with the built-in one");
  if (!choice.pretrained())
    CHECK_INPUT(std::filesystem::exists(file), source, ": its text encoder ", kind, ":", file,
                " is not there any more. Say where it is now with --text-encoder ", kind, ":FILE (weights ",
                text_of(stored, "weights", source), ")");
  const bool as_stored = choice.vocabulary.empty() && !choice.pretrained();
  return open_text_encoder(choice.pretrained() ? choice.source : kind + ":" + file,
                           as_stored ? text_of(stored, "words", source) : choice.vocabulary);
}

std::unique_ptr<TextEncoder> make_words(const TensorFile& file, const Json& stored, const std::string& source) {
  const auto words = file.metadata.find("vocabulary");
  CHECK_INPUT(words != file.metadata.end(), source, ": the vocabulary is missing");
  return made_from(source, [&] {
    return std::make_unique<WordTransformer>(WordVocabulary::from_string(words->second),
                                             read_config<WordTransformerConfig>(stored, source));
  });
}

}  // namespace

std::unique_ptr<TextEncoder> open_stored_text(const TensorFile& file, const TextEncoderChoice& choice,
                                              const std::string& source) {
  const Json config = read_model_config(file, source);
  const Json& stored = read_part(config, "text", source);
  const init::SkipRandom skip;
  const bool pretrained = is_pretrained(stored), whole = !pretrained || stored.contains("trainable");
  CHECK_INPUT(!whole || !choice.pretrained(), source, ": it holds the text encoder that it was trained with; leave ",
              "away --text-encoder ", choice.source);
  std::unique_ptr<TextEncoder> text;
  if (!pretrained)
    text = make_words(file, stored, source);
  else if (whole)
    text = pretrained_text_from(file, stored, source);
  else
    text = open_frozen(stored, choice, source);
  text->load(file, source);
  return text;
}

}  // namespace kg
