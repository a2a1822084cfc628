// What a training loop needs beside weights and optimizer to go on bit for bit: iteration, random state, place in the
// data. Stored in a checkpoint's metadata under "state.".
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tensor/random.h"

namespace kg {

struct TrainingState {
  int64_t iteration = 0;      // iterations that are complete
  Generator random;           // of dropout, corruption, resets
  Generator data_random;      // of the data order and the windows
  int64_t epoch = 0;          // passes over the data that are complete
  int64_t data_position = 0;  // batches of this pass that are used
  double best = 0;            // best validation figure so far
  bool has_best = false;
};

void pack(const TrainingState& state, std::map<std::string, std::string>& metadata);
// Error (input) that names `file` where a number is missing or broken.
TrainingState unpack_training_state(const std::map<std::string, std::string>& metadata, const std::string& file);

}  // namespace kg
