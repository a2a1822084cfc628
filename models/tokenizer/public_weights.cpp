#include "models/tokenizer/public_weights.h"

#include "models/text/weight_names.h"

namespace kg {
namespace {

constexpr const char* kLearned = "vqvae.quantizer.embedding.weight";  // of the quantiser without moving averages
constexpr const char* kCodebook = "vqvae.quantizer.codebook";

bool is_learned(const NamedTensors& net) { return find_weight(net, kLearned) != nullptr; }

}  // namespace

VqVaeConfig public_vqvae_config(const NamedTensors& net, const std::string& source) {
  VqVaeConfig config;
  const Shape in = weight_shape(net, "vqvae.encoder.model.0.weight", 3, source);  // (W, D, 3)
  const Shape codebook = weight_shape(net, is_learned(net) ? kLearned : kCodebook, 2, source);
  config.width = in[0];
  config.features = in[1];
  config.codes = codebook[0];
  if (is_learned(net)) config.update = CodebookUpdate::learned;
  return config;
}

NamedTensors public_vqvae_weights(const NamedTensors& net) {
  NamedTensors weights;
  for (const auto& [name, tensor] : net) {
    const std::string own = name == kLearned ? kCodebook : name;
    weights.emplace_back(own, tensor);
    if (own != kCodebook || tensor.rank() != 2) continue;
    weights.emplace_back("vqvae.quantizer.code_sum", tensor);
    weights.emplace_back("vqvae.quantizer.code_count", Tensor::ones({tensor.size(0)}));
    weights.emplace_back("vqvae.quantizer.initialized", Tensor::ones({1}, Dtype::u8));
  }
  return weights;
}

}  // namespace kg
