// The text encoder of a T2M-GPT: the built-in one is part of the model, of a pretrained one the checkpoint remembers
// which it was. Features of a frozen encoder are computed once for all captions of a data set, and kept on disk.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>

#include "models/text/pretrained.h"
#include "tools/common/cli.h"

namespace kg {

struct TextEncoderChoice {
  std::string source;                // builtin, clip:FILE, bert:FILE; empty: as the checkpoint says, else builtin
  std::filesystem::path vocabulary;  // empty: beside the weights
  bool pretrained() const { return !source.empty() && source != "builtin"; }
};
void add_options(Cli& cli, TextEncoderChoice& choice, const char* help);

// What a checkpoint's configuration holds of a pretrained encoder.
nlohmann::ordered_json to_json(const TextIdentity& identity);
bool is_pretrained(const nlohmann::ordered_json& text);
// The encoder that `stored` names, or the one that is chosen instead; it must be the same by its checksums. Errors
// (input) say which one is asked for.
std::unique_ptr<PretrainedText> open_stored_encoder(const nlohmann::ordered_json& stored,
                                                    const TextEncoderChoice& choice, const std::string& source);
void check_same_encoder(const TextIdentity& own, const nlohmann::ordered_json& stored, const std::string& source);

// Features (N, width) of captions, from `cache` where they lie: a file for each set of weights,
// vocabulary and captions.
Tensor cached_features(const PretrainedText& text, const std::vector<std::string>& captions,
                       const std::filesystem::path& cache, bool quiet);

// What a step of training reads of its captions, and the conditions that this becomes.
class TextCondition {
 public:
  // Of a frozen encoder, `captions` are all that will be asked for; of another, they set the length of its inputs on a
  // GPU, where all steps must have the same.
  TextCondition(const TextEncoder& text, std::vector<std::string> captions, Device device,
                const std::filesystem::path& cache, bool quiet);
  std::vector<Tensor> inputs(const std::vector<std::string>& captions, Dtype dtype) const;
  Var operator()(const Tensor* inputs) const;  // (B, width)

 private:
  const TextEncoder& text_;
  int64_t longest_ = 0;
  std::map<std::string, int32_t> rows_;
  Tensor features_;
};

}  // namespace kg
