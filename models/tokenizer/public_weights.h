// The VQ-VAE that T2M-GPT's authors publish (github.com/Mael-zys/T2M-GPT, under "net"). Names and shapes are those of
// VqVae: sizes are read off the shapes, and the quantiser's moving averages, which those files lack, start anew from
// the codebook.
#pragma once

#include "models/tokenizer/vqvae.h"

namespace kg {

VqVaeConfig public_vqvae_config(const NamedTensors& net, const std::string& source);
NamedTensors public_vqvae_weights(const NamedTensors& net);

}  // namespace kg
