// What a training loop needs beside weights and optimizer to go on bit for bit: iteration and random state. Stored in a checkpoint's metadata under "state.".
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tensor/random.h"

namespace kg::tools {

struct TrainingState {
  int64_t iteration = 0;  // iterations that are complete
  Generator random;       // of dropout, corruption, resets
  double best = 0;        // best validation figure so far
  bool has_best = false;
};

void pack(const TrainingState& state, std::map<std::string, std::string>& metadata);
// Error (input) that names `file` where a number is missing or broken.
TrainingState unpack_training_state(const std::map<std::string, std::string>& metadata, const std::string& file);

}  // namespace kg::tools
