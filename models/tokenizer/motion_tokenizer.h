// A trained motion tokenizer: motion features to tokens and back. It is shared by all systems that write motions as
// tokens.
#pragma once

#include "data/motion/statistics.h"
#include "models/tokenizer/vqvae.h"

namespace kg {

struct MotionTokenizer {
  explicit MotionTokenizer(const VqVaeConfig& config) : model(config) {}

  std::vector<int32_t> encode(const Tensor& features);  // (T, D), T >= 4 -> T / 4 ids; whole clip at once
  Tensor decode(const std::vector<int32_t>& tokens);    // n ids -> (4n, D)
  Tensor reconstruct(const Tensor& features);           // (T, D) -> (4 (T / 4), D)

  VqVae model;
  Statistics statistics;  // what the model's input is normalised with (eval_statistics of the data set)
};

}  // namespace kg
