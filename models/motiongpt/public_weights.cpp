#include "models/motiongpt/public_weights.h"

#include <algorithm>
#include <set>

#include "models/text/weight_names.h"
#include "models/tokenizer/public_weights.h"

namespace kg {
namespace {

constexpr const char *kVae = "vae.", *kVqVae = "vqvae.", *kT5 = "lm.language_model.";

bool same_values(const Tensor& a, const Tensor& b) {
  if (!(a.shape() == b.shape())) return false;
  const Tensor x = a.to(Dtype::f32).contiguous(), y = b.to(Dtype::f32).contiguous();
  return std::equal(x.data<float>(), x.data<float>() + x.numel(), y.data<float>());
}

// The first parts of the names: "trans_base, trans_head".
std::string beginnings_of(const NamedTensors& state) {
  std::set<std::string> parts;
  for (const auto& [name, tensor] : state) parts.insert(name.substr(0, name.find('.')));
  std::string list;
  for (const std::string& part : parts) list += (list.empty() ? "" : ", ") + part;
  return list;
}

// Names as they are in the published file.
void add_published(NamedTensors& to, const NamedTensors& from, const std::string& prefix, size_t cut) {
  for (const auto& [name, tensor] : from) to.emplace_back(prefix + name.substr(cut), tensor);
}

MotionGptConfig public_config(const PublicMotionGpt& weights, const MotionLanguage& language,
                              const ImportSource& source) {
  MotionGptConfig config;
  config.language = language.config();
  config.t5 = t5_config(weights.t5, weights.tied, source.file + ", " + kT5);
  config.t5.end = language.end();
  CHECK_INPUT(config.t5.vocabulary == language.size(), source.file, ": the T5 has ", config.t5.vocabulary,
              " rows; the ", config.language.pieces, " pieces of ", source.vocabulary.string(), " with ",
              config.language.sentinels, " sentinels and ", config.language.codes, " + 3 motion tokens need ",
              language.size(), ". Give the spiece.model of the T5 that the model was made from");
  return config;
}

}  // namespace

PublicMotionGpt public_motiongpt(const NamedTensors& state, const std::string& source) {
  PublicMotionGpt out;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(kVae))
      out.vae.emplace_back(kVqVae + name.substr(std::string(kVae).size()), tensor);
    else if (name.starts_with(kT5))
      out.t5.emplace_back(name.substr(std::string(kT5).size()), tensor);
    else if (!name.starts_with("metrics.") && !name.starts_with("_losses."))
      out.unknown.emplace_back(name, tensor);
  }
  CHECK_INPUT(!out.vae.empty() && !out.t5.empty(), source, ": not MotionGPT's checkpoint: no weights begin with ",
              out.vae.empty() ? kVae : kT5, " (", out.vae.empty() ? "the motion tokenizer" : "the T5",
              "); there are those of ", beginnings_of(state));
  const Tensor *head = find_weight(out.t5, "lm_head.weight"), *shared = find_weight(out.t5, "shared.weight");
  out.tied = !head || (shared && same_values(*head, *shared));
  return out;
}

TensorFile import_public_motiongpt(const ImportSource& source) {
  const PublicMotionGpt weights = public_motiongpt(source.weights, source.file);
  const VqVaeConfig sizes = public_vqvae_config(weights.vae, source.file + ", " + kVae + "* as " + kVqVae + "*");
  LanguageConfig words;
  words.codes = sizes.codes;
  MotionLanguage language(read_vocabulary(source.vocabulary.string()), words);
  const MotionGptConfig config = public_config(weights, language, source);
  const init::SkipRandom skip;
  MotionGpt model(sizes, config, std::move(language), skeleton_of_features(sizes.features, source.file));
  // Both parts at once, so that one table tells all that does not fit.
  NamedTensors own, given = weights.unknown;
  const size_t cut = std::string(kVqVae).size();
  add_published(own, model.tokenizer.model.state_dict(), kVae, cut);
  add_published(own, model.t5.state_dict(), kT5, 0);
  add_published(given, public_vqvae_weights(weights.vae), kVae, cut);
  add_published(given, t5_weights(weights.t5, weights.tied, source.file), kT5, 0);
  load_strict(own, given, source.file);
  Statistics& statistics = model.tokenizer.statistics;
  statistics = read_eval_statistics(source.statistics);
  CHECK_INPUT(statistics.mean.size(0) == sizes.features, source.file, ": a model of ", sizes.features,
              " features, the statistics of ", source.statistics.string(), " have ", statistics.mean.size(0));
  return model.save();
}

}  // namespace kg
