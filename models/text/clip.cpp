#include "models/text/clip.h"

#include <algorithm>
#include <cmath>

#include "models/text/pooling.h"
#include "models/text/weight_names.h"

namespace kg {

ClipTextConfig clip_preset(const std::string& name) {
  ClipTextConfig c;
  if (name == "vit-b/32" || name == "vit-b/16") return c;
  CHECK(name == "vit-l/14", "CLIP preset \"", name, "\" is unknown; use vit-b/32, vit-b/16 or vit-l/14");
  c.width = c.projection = 768, c.heads = 12, c.feedforward = 3072;
  return c;
}

ClipTextLayer::ClipTextLayer(const ClipTextConfig& c)
    : layer_norm1(c.width, c.eps),
      layer_norm2(c.width, c.eps),
      self_attn({.q = "q_proj",
                 .k = "k_proj",
                 .v = "v_proj",
                 .out = "out_proj",
                 .width = c.width,
                 .heads = c.heads,
                 .dropout = c.dropout}),
      fc1(c.width, c.feedforward),
      fc2(c.feedforward, c.width),
      activation(c.activation) {
  reg("self_attn", self_attn);
  reg("layer_norm1", layer_norm1);
  reg("mlp.fc1", fc1);
  reg("mlp.fc2", fc2);
  reg("layer_norm2", layer_norm2);
}
Var ClipTextLayer::operator()(const Var& in) const {
  const Var x = in + self_attn(layer_norm1(in), {.causal = true});
  return x + fc2(activate(fc1(layer_norm2(x)), activation));
}

ClipText::ClipText(const ClipTextConfig& config)
    : config_(config),
      token_embedding(config.vocabulary, config.width),
      position_embedding(config.positions, config.width),
      final_layer_norm(config.width, config.eps),
      text_projection(config.width, config.projection, false) {
  for (int64_t i = 0; i < config.layers; ++i) layers.add(config);
  reg("text_model.embeddings.token_embedding", token_embedding);
  reg("text_model.embeddings.position_embedding", position_embedding);
  reg("text_model.encoder.layers", layers);
  reg("text_model.final_layer_norm", final_layer_norm);
  reg("text_projection", text_projection);
  // The original's initialisation: residual parts shrink with the depth.
  const double width = double(config.width), deep = std::pow(2.0 * double(config.layers), -0.5);
  for (auto& [name, parameter] : named_parameters()) {
    double stddev = std::pow(width, -0.5);
    if (name.ends_with("token_embedding.weight")) stddev = 0.02;
    if (name.ends_with("position_embedding.weight")) stddev = 0.01;
    if (name.ends_with("out_proj.weight") || name.ends_with("fc2.weight")) stddev *= deep;
    if (name.ends_with("fc1.weight")) stddev = std::pow(2 * width, -0.5);
    if (parameter->rank() == 2)
      init::normal(parameter->value, 0, stddev);
    else if (name.ends_with("bias"))
      init::zeros(parameter->value);
  }
}

Var ClipText::hidden(const Tensor& ids) const {
  const int64_t length = ids.size(1);
  CHECK(length <= config_.positions, "[clip] ", length, " tokens, the model has ", config_.positions, " positions");
  Var x = token_embedding(ids) + slice(position_embedding.weight, 0, 0, length);
  for (const ClipTextLayer& layer : layers) x = layer(x);
  return final_layer_norm(x);
}
Var ClipText::feature(const Var& hidden, const Tensor& share) const { return text_projection(pool(hidden, share)); }

Tensor clip_end(const Tensor& ids) {
  const int64_t length = ids.size(1);
  const Tensor end = Tensor::zeros({ids.size(0), length, 1});
  for (int64_t b = 0; b < ids.size(0); ++b) {
    const int32_t* row = ids.data<int32_t>() + b * length;
    end.data<float>()[b * length + (std::max_element(row, row + length) - row)] = 1;
  }
  return end;
}

namespace {

// Query, key and value of a fused projection, then the layer's other parts, in the original's names.
void rename_block(const std::string& rest, const Tensor& tensor, const std::string& layer, NamedTensors& out,
                  const std::string& source) {
  static const std::pair<const char*, const char*> kParts[] = {{"attn.out_proj.", "self_attn.out_proj."},
                                                               {"ln_1.", "layer_norm1."},
                                                               {"ln_2.", "layer_norm2."},
                                                               {"mlp.c_fc.", "mlp.fc1."},
                                                               {"mlp.c_proj.", "mlp.fc2."}};
  if (rest == "attn.in_proj_weight" || rest == "attn.in_proj_bias") {
    CHECK_INPUT(tensor.rank() >= 1 && tensor.size(0) % 3 == 0, source, ": ", rest, " has the shape ", tensor.shape(),
                ", expected three projections above each other");
    const int64_t rows = tensor.size(0) / 3;
    const char* kind = rest.ends_with("bias") ? "bias" : "weight";
    for (int i = 0; i < 3; ++i)
      out.emplace_back(layer + "self_attn." + "qkv"[i] + "_proj." + kind, tensor.slice(0, i * rows, (i + 1) * rows));
    return;
  }
  for (const auto& [theirs, ours] : kParts)
    if (rest.starts_with(theirs)) {
      out.emplace_back(layer + ours + rest.substr(std::string_view(theirs).size()), tensor);
      return;
    }
  out.emplace_back(layer + rest, tensor);  // load_state_dict() will list it
}

}  // namespace

NamedTensors clip_text_weights(const NamedTensors& file, const std::string& source) {
  const std::string embedding = "text_model.embeddings.";
  NamedTensors out;
  for (const auto& [name, tensor] : file) {
    if (name.starts_with("text_model.") || name == "text_projection.weight") {
      if (!name.ends_with("position_ids")) out.emplace_back(name, tensor);
    } else if (name == "token_embedding.weight") {
      out.emplace_back(embedding + name, tensor);
    } else if (name == "positional_embedding") {
      out.emplace_back(embedding + "position_embedding.weight", tensor);
    } else if (name.starts_with("ln_final.")) {
      out.emplace_back("text_model.final_layer_norm." + name.substr(9), tensor);
    } else if (name == "text_projection") {
      out.emplace_back("text_projection.weight", tensor.transpose(0, 1).contiguous());
    } else if (name.starts_with("transformer.resblocks.")) {
      const size_t number = std::string_view("transformer.resblocks.").size(), dot = name.find('.', number);
      CHECK_INPUT(dot != std::string::npos, source, ": the name ", name, " is not of a CLIP model");
      rename_block(name.substr(dot + 1), tensor, "text_model.encoder.layers." + name.substr(number, dot - number) + ".",
                   out, source);
    }
  }
  CHECK_INPUT(find_weight(out, embedding + "token_embedding.weight"), source,
              ": no CLIP text encoder in it (neither text_model.embeddings.token_embedding.weight nor "
              "token_embedding.weight)");
  CHECK_INPUT(find_weight(out, "text_projection.weight"), source,
              ": the CLIP text encoder lacks text_projection, so it has no features: use the whole model's file");
  return out;
}

ClipTextConfig clip_text_config(const NamedTensors& weights, const std::string& source) {
  ClipTextConfig c;
  const Shape tokens = weight_shape(weights, "text_model.embeddings.token_embedding.weight", 2, source);
  c.vocabulary = tokens[0], c.width = tokens[1];
  c.positions = weight_shape(weights, "text_model.embeddings.position_embedding.weight", 2, source)[0];
  c.projection = weight_shape(weights, "text_projection.weight", 2, source)[0];
  c.layers = count_layers(weights, "text_model.encoder.layers.", source);
  c.feedforward = weight_shape(weights, "text_model.encoder.layers.0.mlp.fc1.weight", 2, source)[0];
  CHECK_INPUT(c.width % 64 == 0, source, ": the text encoder is ", c.width, " wide; CLIP's heads are 64 wide each");
  c.heads = c.width / 64;
  return c;
}

}  // namespace kg
