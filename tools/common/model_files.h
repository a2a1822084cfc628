// Checkpoints of the models: weights under the public names, configuration, statistics and vocabulary, and what
// training needs to go on. A T2M-GPT checkpoint carries its tokenizer and the built-in text encoder, so one
// file is enough to generate; of a pretrained text encoder it holds the checksums.
#pragma once

#include <memory>

#include "data/formats/checkpoint.h"
#include "models/model_file.h"
#include "models/t2m_gpt/t2m_gpt.h"
#include "nn/optim.h"
#include "tools/common/text_encoders.h"
#include "tools/common/training_state.h"

namespace kg {

inline constexpr const char* kTokenizerKind = "vqvae";
inline constexpr const char* kT2mGptKind = "t2m_gpt";

TensorFile tokenizer_file(const MotionTokenizer& tokenizer);
TensorFile t2m_gpt_file(const T2mGpt& model);
// Optimizer moments and training state, under "optim." and "state.".
void append_training(TensorFile& file, const AdamW& optimizer, const TrainingState& state);
TrainingState load_training(const TensorFile& file, AdamW& optimizer, const std::string& source);

// A checkpoint file or run folder (see find_checkpoint). Errors (input) for another kind or a damaged file.
std::unique_ptr<MotionTokenizer> load_tokenizer(const std::filesystem::path& model);
// A pretrained text encoder is opened from where it was in training, or from where `text` says it is now.
std::unique_ptr<T2mGpt> load_t2m_gpt(const std::filesystem::path& model, const TextEncoderChoice& text = {});
// Loads weights into a model that was made from a configuration; an Error (input) with both where they differ.
void load_tokenizer_weights(MotionTokenizer& tokenizer, const TensorFile& file, const std::string& source);
void load_t2m_gpt_weights(T2mGpt& model, const TensorFile& file, const std::string& source);

}  // namespace kg
