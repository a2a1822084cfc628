// Opens the evaluator network of an evaluation.
#pragma once

#include "tools/common/evaluate/set.h"

namespace kg::tools {

// A run folder of train_evaluator, or a folder with the published evaluator of Guo et al.: finest.tar (the weights of
// text_mot_match), mean.npy and std.npy (its meta folder), our_vab_data.npy, our_vab_words.pkl and our_vab_idx.pkl
// (word vectors).
Embedder open_embedder(const std::filesystem::path& evaluator, Device device);

}  // namespace kg::tools
