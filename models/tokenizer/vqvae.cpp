#include "models/tokenizer/vqvae.h"

#include "nn/losses.h"

namespace kg {

ResidualBlock::ResidualBlock(int64_t width, int dilation)
    : conv1(width, width, 3, 1, dilation, dilation), conv2(width, width, 1) {
  reg("conv1", conv1);
  reg("conv2", conv2);
}
Var ResidualBlock::operator()(const Var& x) const { return x + conv2(relu(conv1(relu(x)))); }

ResidualStack::ResidualStack(int64_t width) {
  for (int dilation : {9, 3, 1}) model.add(width, dilation);
  reg("model", model);
}
Var ResidualStack::operator()(Var x) const {
  for (const ResidualBlock& block : model) x = block(x);
  return x;
}

DownStage::DownStage(int64_t width) : conv(width, width, 4, 2, 1), blocks(width) {
  reg("0", conv);
  reg("1", blocks);
}
UpStage::UpStage(int64_t width) : blocks(width), conv(width, width, 3, 1, 1) {
  reg("0", blocks);
  reg("2", conv);
}

MotionEncoder::Layers::Layers(int64_t features, int64_t width)
    : in(features, width, 3, 1, 1), stage0(width), stage1(width), out(width, width, 3, 1, 1) {
  reg("0", in);
  reg("2", stage0);
  reg("3", stage1);
  reg("4", out);
}
MotionEncoder::MotionEncoder(int64_t features, int64_t width) : model(features, width) { reg("model", model); }
Var MotionEncoder::operator()(const Var& x) const { return model.out(model.stage1(model.stage0(relu(model.in(x))))); }

MotionDecoder::Layers::Layers(int64_t features, int64_t width)
    : in(width, width, 3, 1, 1),
      stage0(width),
      stage1(width),
      mid(width, width, 3, 1, 1),
      out(width, features, 3, 1, 1) {
  reg("0", in);
  reg("2", stage0);
  reg("3", stage1);
  reg("4", mid);
  reg("6", out);
}
MotionDecoder::MotionDecoder(int64_t features, int64_t width) : model(features, width) { reg("model", model); }
Var MotionDecoder::operator()(const Var& x) const {
  return model.out(relu(model.mid(model.stage1(model.stage0(relu(model.in(x)))))));
}

VqVae::Parts::Parts(const VqVaeConfig& c)
    : encoder(c.features, c.width),
      decoder(c.features, c.width),
      quantizer(c.codes, c.width, c.update, c.decay, c.reset_below) {
  reg("encoder", encoder);
  reg("decoder", decoder);
  reg("quantizer", quantizer);
}
VqVae::VqVae(const VqVaeConfig& config) : config_(config), vqvae(config) { reg("vqvae", vqvae); }

VqVae::Output VqVae::operator()(const Var& x) {
  CHECK(x.rank() == 3 && x.size(2) == config_.features, "[vqvae] input must be (B, T, ", config_.features, "), is ",
        x.shape());
  CHECK(x.size(1) % kFramesPerToken == 0 && x.size(1) > 0, "[vqvae] length must be a multiple of ", kFramesPerToken,
        ", is ", x.size(1));
  Output out;
  out.encoded = vqvae.encoder(in_dtype(x, dtype()));
  out.quantized = vqvae.quantizer(out.encoded);
  out.reconstruction = vqvae.decoder(out.quantized.y);
  return out;
}

VqVae::Loss VqVae::loss(const Output& output, const Tensor& x) const {
  const int64_t first = 4, last = 4 + (config_.features + 1) / 12 * 3 - 3;  // joints but the root, three numbers each
  const auto block = [&](const Var& v) { return contiguous(slice(v, 2, first, last)); };
  Loss l;
  const Var made = in_dtype(output.reconstruction, x.dtype());
  l.reconstruction = smooth_l1_loss(made, x);
  l.commitment = output.quantized.loss;
  l.position = smooth_l1_loss(block(made), block(Var(x)));
  l.total = l.reconstruction + config_.commitment * l.commitment + config_.position * l.position;
  return l;
}

Tensor VqVae::encode(const Tensor& x) const {
  NoGrad guard;
  return vqvae.quantizer.ids(vqvae.encoder(in_dtype(Var(x), dtype())).value);
}
Tensor VqVae::decode(const Tensor& ids) const {
  NoGrad guard;
  return vqvae.decoder(in_dtype(Var(vqvae.quantizer.codes(ids)), dtype())).value;
}

}  // namespace kg
