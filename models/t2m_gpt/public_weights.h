// The transformer that T2M-GPT's authors publish (github.com/Mael-zys/T2M-GPT, under "trans"). Names and shapes are
// those of Gpt: sizes are read off the shapes, and buffers that follow from the sizes are checked and left out.
#pragma once

#include "models/t2m_gpt/gpt.h"

namespace kg {

// The shapes do not tell the number of heads; theirs has 16.
GptConfig public_gpt_config(const NamedTensors& trans, int64_t heads, const std::string& source);
// Without the causal masks and the fixed positions; an Error (input) where those are not what Gpt computes.
NamedTensors public_gpt_weights(const NamedTensors& trans, const std::string& source);

}  // namespace kg
