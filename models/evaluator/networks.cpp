#include "models/evaluator/networks.h"

#include "nn/conv1d.h"
#include "nn/dropout.h"
#include "nn/norm.h"

namespace kg {
namespace {

constexpr double kSlope = 0.2, kDropout = 0.2;

Var leaky(const Var& x) { return leaky_relu(x, kSlope); }

template <class Layer>
void xavier(Layer& layer, int64_t taps = 1) {  // symmetric in inputs and outputs
  init::xavier_normal(layer.weight.value, layer.weight.size(0) * taps, layer.weight.size(1) * taps);
  init::zeros(layer.bias.value);
}

}  // namespace

MovementEncoder::MovementEncoder(int64_t features, int64_t width) : out_net(width, width) {
  main.add<Conv1d>(features, width, 4, 2, 1).add<Dropout>(kDropout).add(leaky);
  main.add<Conv1d>(width, width, 4, 2, 1).add<Dropout>(kDropout).add(leaky);
  reg("main", main);
  reg("out_net", out_net);
  for (int64_t i : {0, 3}) xavier(main.at<Conv1d>(i), 4);
  xavier(out_net);
}
Var MovementEncoder::operator()(const Var& x) const {
  CHECK(x.rank() == 3 && x.size(1) > 0 && x.size(1) % kMovementFrames == 0,
        "[movement encoder] needs (batch, time, features) with whole units of ", kMovementFrames, " frames, got ",
        x.shape());
  return out_net(main(x));
}

MovementDecoder::MovementDecoder(int64_t width, int64_t features) : out_net(features, features) {
  main.add<ConvTranspose1d>(width, width, 4, 2, 1).add(leaky).add<ConvTranspose1d>(width, features, 4, 2, 1).add(leaky);
  reg("main", main);
  reg("out_net", out_net);
  for (int64_t i : {0, 2}) xavier(main.at<ConvTranspose1d>(i), 4);
  xavier(out_net);
}

BiGruEncoder::BiGruEncoder(int64_t input, int64_t width, int64_t output)
    : hidden(Tensor::empty({2, 1, width})), input_emb(input, width), gru(width, width, true) {
  output_net.add<Linear>(2 * width, width).add<LayerNorm>(width).add(leaky).add<Linear>(width, output);
  for (int64_t i : {0, 3}) xavier(output_net.at<Linear>(i));
  init::normal(hidden.value, 0, 1);
  xavier(input_emb);
  reg("hidden", hidden);
  reg("input_emb", input_emb);
  reg("gru", gru);
  reg("output_net", output_net);
}
Var BiGruEncoder::operator()(const Var& x, const Tensor& lengths) const {
  const Var h0 = expand(hidden, {2, x.size(0), hidden.size(2)});
  return output_net(gru(input_emb(x), h0, lengths).last);
}

TextEncoderBiGru::TextEncoderBiGru(int64_t words, int64_t classes, int64_t width, int64_t output)
    : BiGruEncoder(words, width, output), pos_emb(classes, words) {
  xavier(pos_emb);
  reg("pos_emb", pos_emb);
}
Var TextEncoderBiGru::operator()(const Var& words, const Tensor& classes, const Tensor& lengths) const {
  return BiGruEncoder::operator()(words + pos_emb(classes), lengths);
}

}  // namespace kg
