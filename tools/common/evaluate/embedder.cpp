#include "tools/common/evaluate/embedder.h"

#include "data/formats/npy.h"
#include "data/formats/weights.h"
#include "models/evaluator/evaluator_file.h"

namespace kg::tools {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPublished = "finest.tar";

Tensor read_row(const fs::path& path) {
  const Tensor row = read_npy(path).to(Dtype::f32).contiguous();
  CHECK_INPUT(row.rank() == 1, path.string(), ": expected a row of numbers, found ", row.shape());
  return row;
}

TrainedEvaluator open_published(const fs::path& folder) {
  const WordVectors words = read_word_vectors(folder);
  TrainedEvaluator evaluator;
  // Of the published evaluators: root and contacts are divided by 25 already. HumanML3D's or KIT-ML's, by the width.
  evaluator.statistics = {read_row(folder / "mean.npy"), read_row(folder / "std.npy")};
  CHECK_INPUT(evaluator.statistics.std.shape() == evaluator.statistics.mean.shape(), (folder / "std.npy").string(),
              ": expected as many numbers as mean.npy has, ", evaluator.statistics.mean.numel(), ", found ",
              evaluator.statistics.std.numel());
  check_statistics(evaluator.statistics, folder.string());
  EvaluatorConfig sizes;
  evaluator.skeleton = skeleton_of_features(evaluator.statistics.mean.size(0), folder.string());
  sizes.features = evaluator.skeleton.features();
  evaluator.model = std::make_unique<Evaluator>(sizes, words.words, words.vectors);
  NamedTensors weights;  // the archive holds a state dict for each network, and those of their optimizers
  for (const std::string network : {"movement_encoder", "motion_encoder", "text_encoder"})
    for (const auto& [name, tensor] : read_weights(folder / kPublished, network).tensors)
      weights.emplace_back(network + "." + name, tensor);
  evaluator.model->load_official(weights, (folder / kPublished).string());
  evaluator.model->eval();
  return evaluator;
}

}  // namespace

Embedder open_embedder(const fs::path& path, Device device) {
  Embedder embedder;
  embedder.official = fs::is_regular_file(path / kPublished);
  TrainedEvaluator evaluator = embedder.official ? open_published(path) : open_evaluator(path);
  embedder.name = path.string() + (embedder.official ? ", the published one" : ", checksum " + evaluator.checksum);
  embedder.skeleton = evaluator.skeleton;
  embedder.statistics = evaluator.statistics;
  const std::shared_ptr<Evaluator> model = std::move(evaluator.model);
  model->to(device);
  embedder.motions = [model](const Tensor& features, const std::vector<int64_t>& frames) {
    return model->embed_motion(features, frames);
  };
  embedder.texts = [model](const std::vector<std::vector<std::string>>& tokens) { return model->embed_text(tokens); };
  return embedder;
}

}  // namespace kg::tools
