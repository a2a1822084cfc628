#include "models/text/public_config.h"

#include <nlohmann/json.hpp>

#include "data/formats/weights.h"
#include "data/text/vocabulary_file.h"
#include "models/text/weight_names.h"

namespace kg {
namespace {

std::filesystem::path config_path(const std::filesystem::path& weights) {
  return (std::filesystem::is_directory(weights) ? weights : weights.parent_path()) / "config.json";
}

nlohmann::json needed_config(const std::filesystem::path& source) {
  std::optional<nlohmann::json> config = read_public_config(source);
  CHECK_INPUT(config, source.string(), ": ", config_path(source).string(),
              " is missing: it says what the weights' shapes do not. Fetch it from the weights' home");
  return *config;
}

// The value of the first of `keys` that is there.
template <class T>
T read(const nlohmann::json& config, std::initializer_list<const char*> keys, T fallback,
       const std::filesystem::path& source) {
  for (const char* key : keys) {
    if (!config.contains(key)) continue;
    try {
      return config[key].get<T>();
    } catch (const nlohmann::json::exception&) {
      fail(ErrorCode::input, config_path(source).string(), ": ", key, " is ", config[key].dump());
    }
  }
  return fallback;
}

int64_t read_heads(const nlohmann::json& config, std::initializer_list<const char*> keys, int64_t width,
                   const std::filesystem::path& source) {
  const int64_t heads = read<int64_t>(config, keys, 0, source);
  CHECK_INPUT(heads > 0 && width % heads == 0, config_path(source).string(), ": ", heads,
              " attention heads do not fit a width of ", width);
  return heads;
}

Activation read_activation(const nlohmann::json& config, std::initializer_list<const char*> keys, const char* fallback,
                           const std::filesystem::path& source) {
  const std::string name = read<std::string>(config, keys, fallback, source);
  if (name == "gelu") return Activation::gelu;
  if (name == "quick_gelu") return Activation::quick_gelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::gelu_tanh;
  CHECK_INPUT(name == "relu", config_path(source).string(), ": the activation \"", name,
              "\" is none of gelu, quick_gelu, gelu_new, relu");
  return Activation::relu;
}

double read_dropout(const nlohmann::json& config, std::initializer_list<const char*> keys,
                    const std::filesystem::path& source) {
  const double p = read<double>(config, keys, 0.1, source);
  CHECK_INPUT(p >= 0 && p < 1, config_path(source).string(), ": dropout ", p, " must be in [0, 1)");
  return p;
}

}  // namespace

std::optional<nlohmann::json> read_public_config(const std::filesystem::path& weights) {
  const std::filesystem::path path = config_path(weights);
  if (!std::filesystem::exists(path)) return std::nullopt;
  nlohmann::json config = parse_json(read_vocabulary(path.string()));
  CHECK_INPUT(config.is_object(), path.string(), ": must be a JSON object");
  return config;
}

ClipTextConfig public_clip_config(const NamedTensors& weights, const std::filesystem::path& source) {
  ClipTextConfig c = clip_text_config(weights, source.string());
  const std::optional<nlohmann::json> config = read_public_config(source);
  if (!config) return c;
  const nlohmann::json& text = config->contains("text_config") ? (*config)["text_config"] : *config;
  CHECK_INPUT(text.is_object(), config_path(source).string(), ": text_config must be an object");
  c.activation = read_activation(text, {"hidden_act"}, "quick_gelu", source);
  if (text.contains("num_attention_heads")) c.heads = read_heads(text, {"num_attention_heads"}, c.width, source);
  c.eps = read(text, {"layer_norm_eps"}, c.eps, source);
  return c;
}

BertConfig public_bert_config(const NamedTensors& weights, const std::filesystem::path& source) {
  const nlohmann::json config = needed_config(source);
  const std::string name = source.string();
  BertConfig c;
  c.distil = find_weight(weights, "transformer.layer.0.ffn.lin1.weight") != nullptr;
  c.pooler = find_weight(weights, "pooler.dense.weight") != nullptr;
  const Shape words = weight_shape(weights, "embeddings.word_embeddings.weight", 2, name);
  c.vocabulary = words[0], c.width = words[1];
  c.positions = weight_shape(weights, "embeddings.position_embeddings.weight", 2, name)[0];
  c.token_types = c.distil ? 0 : weight_shape(weights, "embeddings.token_type_embeddings.weight", 2, name)[0];
  const std::string layers = c.distil ? "transformer.layer." : "encoder.layer.";
  c.layers = count_layers(weights, layers, name);
  c.feedforward =
      weight_shape(weights, layers + (c.distil ? "0.ffn.lin1.weight" : "0.intermediate.dense.weight"), 2, name)[0];
  c.heads = read_heads(config, {"num_attention_heads", "n_heads"}, c.width, source);
  c.activation = read_activation(config, {"hidden_act", "activation"}, "gelu", source);
  c.dropout = read_dropout(config, {"hidden_dropout_prob", "dropout"}, source);
  c.eps = read(config, {"layer_norm_eps"}, c.eps, source);
  return c;
}

std::unique_ptr<T5> open_t5(const std::filesystem::path& weights) {
  const nlohmann::json config = needed_config(weights);
  const NamedTensors file = read_weights(weights).tensors;
  const bool tied = read(config, {"tie_word_embeddings"}, true, weights);
  T5Config c = t5_config(file, tied, weights.string());
  c.far = read(config, {"relative_attention_max_distance"}, c.far, weights);
  CHECK_INPUT(c.far > c.buckets, config_path(weights).string(), ": relative_attention_max_distance is ", c.far);
  c.dropout = read_dropout(config, {"dropout_rate"}, weights);
  c.eps = read(config, {"layer_norm_epsilon"}, c.eps, weights);
  const init::SkipRandom skip;
  auto model = std::make_unique<T5>(c);
  model->load_state_dict(t5_weights(file, tied, weights.string()), weights.string());
  model->eval();
  return model;
}

}  // namespace kg
