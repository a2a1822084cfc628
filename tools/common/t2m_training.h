// Training of T2M-GPT's two stages from a data set in HumanML3D's layout, as functions: the programs train_tokenizer
// and train_t2mgpt are their command lines, the demo and the obedience test call them directly.
#pragma once

#include "models/t2m_gpt/presets.h"
#include "models/tokenizer/presets.h"
#include "tools/common/text_encoders.h"
#include "tools/common/training.h"

namespace kg {

struct TokenizerTraining {
  RunOptions run;
  std::filesystem::path data;
  std::string preset = "small";
  TokenizerRecipe recipe = tokenizer_preset("small");
  int64_t eval_every = 500, save_every = 500;
};
struct GptTraining {
  RunOptions run;
  std::filesystem::path data, tokenizer;
  std::string preset = "small";
  GptRecipe recipe = gpt_preset("small");
  TextEncoderChoice text{.source = "builtin", .vocabulary = {}};
  std::filesystem::path text_features = "out/text_features";  // where features of pretrained text encoders are kept
  int64_t eval_every = 500, save_every = 500;
};

// Options of the programs, bound to the fields.
void add_options(Cli& cli, TokenizerTraining& training);
void add_options(Cli& cli, GptTraining& training);

// `config` is stored as config.json. The exit code: 0, or 6 when interrupted.
int train_tokenizer(const TokenizerTraining& training, const nlohmann::ordered_json& config);
int train_t2m_gpt(const GptTraining& training, const nlohmann::ordered_json& config);

// Both stages with a preset's recipes, into RUN/tokenizer and RUN/gpt of run.out. Iterations of 0 take the preset's.
struct TwoStages {
  RunOptions run;
  std::filesystem::path data;
  std::string preset = "small";
  int64_t tokenizer_iters = 0, gpt_iters = 0;
};
int train_two_stages(const TwoStages& stages, const nlohmann::ordered_json& config);

// Reconstruction error over whole clips, in mm: all joints after the root is taken off (pose), and the root's path.
struct ReconstructionError {
  double pose = 0, root = 0;
  int64_t frames = 0;
};
ReconstructionError reconstruction_error(MotionTokenizer& tokenizer, const std::vector<Tensor>& features);

}  // namespace kg
