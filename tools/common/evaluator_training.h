// Training of the evaluator networks from a data set in HumanML3D's layout (Guo et al. 2022): movements by an
// autoencoder, then texts and motions pulled together and apart. The program train_evaluator is its command line.
#pragma once

#include "models/evaluator/presets.h"
#include "tools/common/training.h"

namespace kg {

struct EvaluatorTraining {
  RunOptions run;  // the stages' folders stand in run.out
  std::filesystem::path data;
  std::filesystem::path vectors;  // of the published word vectors; empty: vectors are trained
  std::string preset = "small";
  EvaluatorRecipe recipe = evaluator_preset("small");
  int64_t eval_every = 500, save_every = 500;
};

void add_options(Cli& cli, EvaluatorTraining& training);

// `config` is stored as config.json. The exit code: 0, or 6 when interrupted.
int train_evaluator(const EvaluatorTraining& training, const nlohmann::ordered_json& config);

}  // namespace kg
