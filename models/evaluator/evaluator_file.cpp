#include "models/evaluator/evaluator_file.h"

#include "data/formats/checkpoint.h"

namespace kg {
namespace {

Json model_json(const EvaluatorConfig& config) { return {{"evaluator", to_json(config)}}; }

EvaluatorWords stored_words(const TensorFile& file, const std::string& source) {
  const auto words = file.metadata.find("vocabulary");
  CHECK_INPUT(words != file.metadata.end(), source, ": the vocabulary is missing");
  return EvaluatorWords::from_string(words->second, source);
}

// The model's entries: all but statistics and training state.
void load_own(Module& model, const TensorFile& file, const std::string& source) {
  model.load_state_dict(without(file, {"statistics.", "optim."}), source);
}

void check_statistics_of_run(Statistics own, const TensorFile& file, const std::string& source) {
  take_statistics(own, file, source);
}

}  // namespace

TensorFile movement_file(const MovementAutoencoder& model, const EvaluatorConfig& config,
                         const Statistics& statistics) {
  TensorFile file;
  append(file, "", model.state_dict());
  append_statistics(file, statistics);
  file.metadata["model"] = model_json(config).dump();
  return file;
}
TensorFile evaluator_file(const Evaluator& model, const Statistics& statistics) {
  TensorFile file;
  append(file, "", model.state_dict());
  append_statistics(file, statistics);
  file.metadata["model"] = model_json(model.config()).dump();
  file.metadata["vocabulary"] = model.words().to_string();
  return file;
}

void load_movement_weights(MovementAutoencoder& model, const EvaluatorConfig& config, const Statistics& statistics,
                           const TensorFile& file, const std::string& source) {
  check_same_model(model_json(config), read_model_config(file, source), source);
  check_statistics_of_run(statistics, file, source);
  load_own(model, file, source);
}
void load_evaluator_weights(Evaluator& model, const Statistics& statistics, const TensorFile& file,
                            const std::string& source) {
  check_same_model(model_json(model.config()), read_model_config(file, source), source);
  check_statistics_of_run(statistics, file, source);
  CHECK_INPUT(stored_words(file, source).words() == model.words().words(), source,
              ": the captions hold other words than those that the checkpoint was trained on: the data set or "
              "--vectors has changed. Restore it, or begin a new run with another --out");
  load_own(model, file, source);
}

TrainedEvaluator open_evaluator(const std::filesystem::path& run) {
  const bool both = std::filesystem::is_directory(run / kMatchingStage);
  const std::filesystem::path path = find_checkpoint(both ? run / kMatchingStage : run);
  const std::string source = path.string();
  const TensorFile file = read_checkpoint(path, kEvaluatorKind);
  const Json config = read_model_config(file, source);
  const init::SkipRandom skip;
  TrainedEvaluator e;
  e.model = std::make_unique<Evaluator>(read_config<EvaluatorConfig>(read_part(config, "evaluator", source), source),
                                        stored_words(file, source));
  e.skeleton = read_skeleton(file, e.model->config().features, source);
  e.statistics = read_statistics(file, source);
  load_own(*e.model, file, source);
  e.model->eval();
  e.checksum = file.metadata.at(kCheckpointChecksum);
  return e;
}

}  // namespace kg
