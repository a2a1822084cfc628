#include "models/evaluator/networks.h"

namespace kg {
namespace {

constexpr double kSlope = 0.2, kDropout = 0.2;

void xavier(Var& weight, Var& bias, int64_t taps = 1) {  // symmetric in inputs and outputs
  init::xavier_normal(weight.value, weight.size(0) * taps, weight.size(1) * taps);
  init::zeros(bias.value);
}

}  // namespace

MovementEncoder::Layers::Layers(int64_t features, int64_t width)
    : conv0(features, width, 4, 2, 1), conv1(width, width, 4, 2, 1), dropout(kDropout) {
  reg("0", conv0);
  reg("1", dropout);
  reg("3", conv1);
}
MovementEncoder::MovementEncoder(int64_t features, int64_t width) : main(features, width), out_net(width, width) {
  reg("main", main);
  reg("out_net", out_net);
  for (Conv1d* conv : {&main.conv0, &main.conv1}) xavier(conv->weight, conv->bias, 4);
  xavier(out_net.weight, out_net.bias);
}
Var MovementEncoder::operator()(const Var& x) const {
  CHECK(x.rank() == 3 && x.size(1) > 0 && x.size(1) % kMovementFrames == 0,
        "[movement encoder] needs (batch, time, features) with whole units of ", kMovementFrames, " frames, got ",
        x.shape());
  Var h = leaky_relu(main.dropout(main.conv0(x)), kSlope);
  h = leaky_relu(main.dropout(main.conv1(h)), kSlope);
  return out_net(h);
}

MovementDecoder::Layers::Layers(int64_t width, int64_t features)
    : conv0(width, width, 4, 2, 1), conv1(width, features, 4, 2, 1) {
  reg("0", conv0);
  reg("2", conv1);
}
MovementDecoder::MovementDecoder(int64_t width, int64_t features) : main(width, features), out_net(features, features) {
  reg("main", main);
  reg("out_net", out_net);
  for (ConvTranspose1d* conv : {&main.conv0, &main.conv1}) xavier(conv->weight, conv->bias, 4);
  xavier(out_net.weight, out_net.bias);
}
Var MovementDecoder::operator()(const Var& movements) const {
  return out_net(leaky_relu(main.conv1(leaky_relu(main.conv0(movements), kSlope)), kSlope));
}

BiGruEncoder::Head::Head(int64_t width, int64_t output) : in(2 * width, width), norm(width), out(width, output) {
  reg("0", in);
  reg("1", norm);
  reg("3", out);
  for (Linear* layer : {&in, &out}) xavier(layer->weight, layer->bias);
}
BiGruEncoder::BiGruEncoder(int64_t input, int64_t width, int64_t output)
    : hidden(Tensor::empty({2, 1, width})),
      input_emb(input, width),
      gru(width, width, true),
      output_net(width, output) {
  init::normal(hidden.value, 0, 1);
  xavier(input_emb.weight, input_emb.bias);
  reg("hidden", hidden);
  reg("input_emb", input_emb);
  reg("gru", gru);
  reg("output_net", output_net);
}
Var BiGruEncoder::operator()(const Var& x, const Tensor& lengths) const {
  const Var h0 = expand(hidden, {2, x.size(0), hidden.size(2)});
  const Var last = gru(input_emb(x), h0, lengths).last;
  return output_net.out(leaky_relu(output_net.norm(output_net.in(last)), kSlope));
}

TextEncoderBiGru::TextEncoderBiGru(int64_t words, int64_t classes, int64_t width, int64_t output)
    : BiGruEncoder(words, width, output), pos_emb(classes, words) {
  xavier(pos_emb.weight, pos_emb.bias);
  reg("pos_emb", pos_emb);
}
Var TextEncoderBiGru::operator()(const Var& words, const Tensor& classes, const Tensor& lengths) const {
  return BiGruEncoder::operator()(words + pos_emb(classes), lengths);
}

}  // namespace kg
