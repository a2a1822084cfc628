// The config.json that lies beside public weights: what their shapes do not say.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "models/text/bert.h"
#include "models/text/clip.h"
#include "models/text/t5.h"

namespace kg {

// config.json in the folder of the weights (which may be given as the folder itself); none if there is no such file.
std::optional<nlohmann::json> read_public_config(const std::filesystem::path& weights);

// Sizes of weights that come from clip_text_weights() or bert_weights(), in their public configuration. CLIP has none
// in its original archive; then it is the original's. BERT and T5 cannot do without.
ClipTextConfig public_clip_config(const NamedTensors& weights, const std::filesystem::path& source);
BertConfig public_bert_config(const NamedTensors& weights, const std::filesystem::path& source);

// A T5 with its public weights, a file or a folder, in evaluation.
std::unique_ptr<T5> open_t5(const std::filesystem::path& weights);

}  // namespace kg
