// The pictures of an evaluation: training_*.png (the run's log), recall.png, rareness.png, noise.png, and cases.html, a
// page that plays the best and the worst cases beside the ground truth.
#pragma once

#include "tools/common/evaluate/evaluation.h"

namespace kg::tools {

// Writes those that the evaluation has data for and returns their paths. `log` may be missing.
std::vector<std::filesystem::path> write_pictures(const std::filesystem::path& folder, const Evaluation& evaluation,
                                                  const EvaluationSet& set, const std::filesystem::path& log);

}  // namespace kg::tools
