// Checkpoints of the evaluator: weights under the published names, configuration, vocabulary and the statistics that
// motions are normalised with.
#pragma once

#include "models/evaluator/evaluator.h"
#include "models/model_file.h"

namespace kg {

inline constexpr const char* kMovementKind = "evaluator_movement";
inline constexpr const char* kEvaluatorKind = "evaluator";
// The stages' folders in the run folder of train_evaluator.
inline constexpr const char* kMovementStage = "movement";
inline constexpr const char* kMatchingStage = "matching";

TensorFile movement_file(const MovementAutoencoder& model, const EvaluatorConfig& config, const Statistics& statistics);
TensorFile evaluator_file(const Evaluator& model, const Statistics& statistics);
// Load weights into models that were made from a configuration; an Error (input) with what differs: configuration,
// statistics, vocabulary.
void load_movement_weights(MovementAutoencoder& model, const EvaluatorConfig& config, const Statistics& statistics,
                           const TensorFile& file, const std::string& source);
void load_evaluator_weights(Evaluator& model, const Statistics& statistics, const TensorFile& file,
                            const std::string& source);

// A trained evaluator, ready to embed.
struct TrainedEvaluator {
  std::unique_ptr<Evaluator> model;
  Skeleton skeleton;      // of the motions that it has learned from
  Statistics statistics;  // what embed_motion's features are normalised with
  std::string checksum;   // of its file, to name it by
};
// A run folder of train_evaluator, a checkpoint folder or a file.
TrainedEvaluator open_evaluator(const std::filesystem::path& run);

}  // namespace kg
