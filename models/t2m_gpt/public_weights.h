// The checkpoints that T2M-GPT's authors publish (github.com/Mael-zys/T2M-GPT): the VQ-VAE under "net", the transformer
// under "trans". Names and shapes are those of VqVae and Gpt, so little is left to do: sizes are read off the shapes,
// buffers that follow from the sizes are checked and left out, and the quantiser's moving averages, which those files
// lack, start anew from the codebook.
#pragma once

#include "models/t2m_gpt/gpt.h"
#include "models/tokenizer/vqvae.h"

namespace kg {

VqVaeConfig public_vqvae_config(const NamedTensors& net, const std::string& source);
NamedTensors public_vqvae_weights(const NamedTensors& net);

// The shapes do not tell the number of heads; theirs has 16.
GptConfig public_gpt_config(const NamedTensors& trans, int64_t heads, const std::string& source);
// Without the causal masks and the fixed positions; an Error (input) where those are not what Gpt computes.
NamedTensors public_gpt_weights(const NamedTensors& trans, const std::string& source);

}  // namespace kg
