#include "models/tokenizer/motion_tokenizer.h"

#include "data/formats/checkpoint.h"
#include "models/tokenizer/presets.h"
#include "models/tokenizer/public_weights.h"
#include "nn/init.h"

namespace kg {

MotionTokenizer::MotionTokenizer(const VqVaeConfig& config, Skeleton skeleton)
    : model(config), body(std::move(skeleton)) {
  CHECK(config.features == body.features(), "[tokenizer] a model of ", config.features, " features, the skeleton ",
        body.name, " has ", body.features());
}

std::vector<int32_t> MotionTokenizer::encode(const Tensor& features) {
  const int64_t frames = features.size(0) / kFramesPerToken * kFramesPerToken;
  CHECK(frames > 0, "[tokenizer] a motion needs at least ", kFramesPerToken, " frames, has ", features.size(0));
  const Tensor x = normalize_features(features.slice(0, 0, frames), statistics);
  const Tensor ids = model.encode(x.unsqueeze(0).to(model.device())).to(Device::cpu);
  return {ids.data<int32_t>(), ids.data<int32_t>() + ids.numel()};
}

Tensor MotionTokenizer::decode(const std::vector<int32_t>& tokens) {
  const Tensor ids = Tensor::from(tokens, {1, int64_t(tokens.size())}).to(model.device());
  return denormalize_features(model.decode(ids).squeeze(0).to(Device::cpu).to(Dtype::f32), statistics);
}

Tensor MotionTokenizer::reconstruct(const Tensor& features) { return decode(encode(features)); }

TrainingProbe MotionTokenizer::training_probe(int64_t batch, int64_t frames) {
  model.train();
  const Tensor x = Tensor::empty({batch, frames > 0 ? frames : TokenizerRecipe().window, body.features()});
  fill_normal(x, 0, 1, default_generator().next());
  return {model.named_parameters(), [this, x = x.to(model.device())] { return model.loss(model(Var(x)), x).total; }};
}

namespace {

TensorFile import_public_vqvae(const ImportSource& source) {
  const VqVaeConfig config = public_vqvae_config(source.weights, source.file);
  MotionTokenizer tokenizer(config, skeleton_of_features(config.features, source.file));
  tokenizer.model.load_state_dict(public_vqvae_weights(source.weights), source.file);
  tokenizer.statistics = read_eval_statistics(source.statistics);
  CHECK_INPUT(tokenizer.statistics.mean.size(0) == config.features, source.file, ": a model of ", config.features,
              " features, the statistics of ", source.statistics.string(), " have ", tokenizer.statistics.mean.size(0));
  return tokenizer.save();
}

}  // namespace

SystemInfo MotionTokenizer::info() {
  return {.name = "tokenizer",
          .title = "motion tokenizer (VQ-VAE)",
          .kind = kKind,
          .stages = {{"train_tokenizer", "tokenizer", "", 600,
                      [](const std::string& preset) { return tokenizer_preset(preset).training.max_iters; }}},
          .imports = {{.name = "t2mgpt-vqvae",
                       .help = "T2M-GPT's published VQ-VAE",
                       .kind = kKind,
                       .needs_statistics = true,
                       .make = import_public_vqvae}}};
}

std::unique_ptr<MotionTokenizer> MotionTokenizer::open(const TensorFile& file, const TextEncoderChoice&,
                                                       const std::string& source) {
  const Json config = read_model_config(file, source);
  const init::SkipRandom skip;
  auto tokenizer = made_from(source, [&] {
    const auto sizes = read_config<VqVaeConfig>(read_part(config, "vqvae", source), source);
    return std::make_unique<MotionTokenizer>(sizes, read_skeleton(file, sizes.features, source));
  });
  tokenizer->load(file, source);
  tokenizer->model.eval();
  return tokenizer;
}

TensorFile MotionTokenizer::save() const {
  TensorFile file;
  append(file, "", model.state_dict());
  append_statistics(file, statistics);
  append_skeleton(file, body);
  file.metadata["model"] = Json{{"vqvae", to_json(model.config())}}.dump();
  return file;
}

void MotionTokenizer::load(const TensorFile& file, const std::string& source) {
  const VqVaeConfig stored =
      read_config<VqVaeConfig>(read_part(read_model_config(file, source), "vqvae", source), source);
  check_same_model({{"vqvae", to_json(model.config())}}, {{"vqvae", to_json(stored)}}, source);
  check_same_skeleton(body, read_skeleton(file, stored.features, source), source);
  take_statistics(statistics, file, source);
  CHECK_INPUT(statistics.mean.size(0) == stored.features, source, ": a model of ", stored.features,
              " features with statistics of ", statistics.mean.size(0));
  NamedTensors own;
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with("vqvae.")) own.emplace_back(name, tensor);
  model.load_state_dict(own, source);
}

std::unique_ptr<MotionTokenizer> open_tokenizer(const std::filesystem::path& path) {
  const std::filesystem::path file = find_checkpoint(path);
  return MotionTokenizer::open(read_checkpoint(file, MotionTokenizer::kKind), {}, file.string());
}

}  // namespace kg
