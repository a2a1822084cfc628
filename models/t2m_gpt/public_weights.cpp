#include "models/t2m_gpt/public_weights.h"

#include <cmath>

#include "models/text/weight_names.h"
#include "nn/positions.h"

namespace kg {
namespace {

// (1, 1, T, T), 1 where position t sees position s <= t.
bool is_causal_mask(const Tensor& mask) {
  if (mask.rank() != 4 || mask.size(0) != 1 || mask.size(1) != 1 || mask.size(2) != mask.size(3)) return false;
  const std::vector<double> values = mask.to_vector();
  const int64_t n = mask.size(2);
  for (int64_t t = 0; t < n; ++t)
    for (int64_t s = 0; s < n; ++s)
      if (values[size_t(t * n + s)] != (s <= t ? 1 : 0)) return false;
  return true;
}

// (T, 1, C), the table of positions up to rounding.
bool is_sinusoidal(const Tensor& table) {
  if (table.rank() != 3 || table.size(1) != 1 || table.size(2) % 2 != 0) return false;
  const std::vector<double> got = table.to_vector();
  const std::vector<double> want = sinusoidal_positions(table.size(0), table.size(2)).to_vector();
  for (size_t i = 0; i < got.size(); ++i)
    if (!(std::abs(got[i] - want[i]) < 1e-4)) return false;
  return true;
}

}  // namespace

GptConfig public_gpt_config(const NamedTensors& trans, int64_t heads, const std::string& source) {
  GptConfig config;
  const Shape tokens = weight_shape(trans, "trans_base.tok_emb.weight", 2, source);  // (K + 2, C)
  config.codes = tokens[0] - 2;
  config.width = tokens[1];
  config.heads = heads;
  config.condition = weight_shape(trans, "trans_base.cond_emb.weight", 2, source)[1];
  config.context = weight_shape(trans, "trans_base.pos_embedding.weight", 2, source)[0];
  config.feedforward = weight_shape(trans, "trans_base.blocks.0.mlp.0.weight", 2, source)[0];
  const int64_t base = count_layers(trans, "trans_base.blocks.", source),
                head = count_layers(trans, "trans_head.blocks.", source);
  CHECK_INPUT(base == head, source, ": ", base, " blocks before and ", head, " in the head, expected as many in both");
  config.layers = base + head;
  CHECK_INPUT(config.codes > 0 && config.width % heads == 0, source, ": a width of ", config.width,
              " does not split into ", heads, " heads; say how many the model has");
  return config;
}

NamedTensors public_gpt_weights(const NamedTensors& trans, const std::string& source) {
  NamedTensors weights;
  for (const auto& [name, tensor] : trans) {
    if (name.ends_with(".attn.mask")) {
      CHECK_INPUT(is_causal_mask(tensor), source, ": ", name, " is no causal mask");
    } else if (name == "trans_base.pos_embed.embed") {
      CHECK_INPUT(is_sinusoidal(tensor), source, ": ", name,
                  " is not the sinusoidal table, so the model was trained with other positions");
    } else {
      weights.emplace_back(name, tensor);
    }
  }
  return weights;
}

}  // namespace kg
