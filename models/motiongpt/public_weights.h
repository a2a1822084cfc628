// The checkpoint that MotionGPT's authors publish (github.com/OpenMotionLab/MotionGPT), which PyTorch Lightning saved in
// training, under "state_dict":
//   vae.*                  the motion tokenizer: T2M-GPT's names without their vqvae.
//   lm.language_model.*    the T5 with rows for the motion tokens: Hugging Face's names
//   metrics.*, _losses.*   evaluators and sums of the training, which are not the model's
#pragma once

#include "models/motiongpt/motiongpt.h"

namespace kg {

struct PublicMotionGpt {
  NamedTensors vae, t5;  // under the names of VqVae and of Hugging Face's T5
  NamedTensors unknown;  // of neither, and not of the training
  bool tied = false;     // the head is the embedding: files hold it twice
};
// An Error (input) where one of the two is not there.
PublicMotionGpt public_motiongpt(const NamedTensors& state, const std::string& source);

// With the spiece.model of the T5 and the statistics that the tokenizer was trained with. An Error (input) with a table
// of the published names where some are missing, unknown or of another shape.
TensorFile import_public_motiongpt(const ImportSource& source);

}  // namespace kg
