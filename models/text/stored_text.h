// The text encoder of a T2M-GPT: the built-in one is part of the model, of a pretrained one the checkpoint remembers
// which it was. Features of a frozen encoder are computed once for all captions of a data set, and kept on disk.
#pragma once

#include <filesystem>
#include <map>

#include "models/model_file.h"
#include "models/text/pretrained.h"

namespace kg {

// What a checkpoint's configuration holds of a pretrained encoder.
Json to_json(const TextIdentity& identity);
bool is_pretrained(const Json& text);
// The encoder that `stored` names, or the one that is chosen instead; it must be the same by its checksums. Errors
// (input) say which one is asked for.
std::unique_ptr<PretrainedText> open_stored_encoder(const Json& stored,
                                                    const TextEncoderChoice& choice, const std::string& source);
void check_same_encoder(const TextIdentity& own, const Json& stored, const std::string& source);

// The encoder as a part of a model's file: configuration under "text", own weights under "text.", own vocabulary in the
// metadata.
Json text_json(const TextEncoder& text);
void save_text(TensorFile& file, const TextEncoder& text);
std::unique_ptr<TextEncoder> open_text(const TensorFile& file, const Json& part, const TextEncoderChoice& choice,
                                       const std::string& source);
// Into an encoder that was made for training; an Error where the file's is another one.
void load_text(TextEncoder& text, const TensorFile& file, const Json& part, const std::string& source);

// The built-in encoder for these captions, or the pretrained one that is chosen.
std::unique_ptr<TextEncoder> make_text_encoder(const TextEncoderChoice& choice, const WordTransformerConfig& builtin,
                                               const std::vector<std::string>& captions);

// Features (N, width) of captions, from `cache` where they lie: a file for each set of weights,
// vocabulary and captions.
Tensor cached_features(const PretrainedText& text, const std::vector<std::string>& captions,
                       const std::filesystem::path& cache,
                       const std::function<void(const std::string&)>& say);

// What a step of training reads of its captions, and the conditions that this becomes.
class TextCondition {
 public:
  // Of a frozen encoder, `captions` are all that will be asked for; of another, they set the length of its inputs on a
  // GPU, where all steps must have the same.
  TextCondition(const TextEncoder& text, std::vector<std::string> captions, Device device,
                const std::filesystem::path& cache,
                       const std::function<void(const std::string&)>& say);
  std::vector<Tensor> inputs(const std::vector<std::string>& captions, Dtype dtype) const;
  Var operator()(const Tensor* inputs) const;  // (B, width)

 private:
  const TextEncoder& text_;
  int64_t longest_ = 0;
  std::map<std::string, int32_t> rows_;
  Tensor features_;
};

}  // namespace kg
