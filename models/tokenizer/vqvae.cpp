#include "models/tokenizer/vqvae.h"

#include "nn/conv1d.h"
#include "nn/dropout.h"
#include "nn/losses.h"

namespace kg {

namespace {

// x + dropout(conv2(relu(conv1(relu(x))))), the 3-tap convolution dilated.
class ResidualBlock : public Module {
 public:
  ResidualBlock(int64_t width, int dilation, double p)
      : conv1(width, width, 3, 1, dilation, dilation), conv2(width, width, 1), dropout(p) {
    reg("conv1", conv1);
    reg("conv2", conv2);
    reg("dropout", dropout);
  }
  Var operator()(const Var& x) const { return x + dropout(conv2(relu(conv1(relu(x))))); }

 private:
  Conv1d conv1, conv2;
  Dropout dropout;
};

// Residual blocks whose dilations fall to 1.
class ResidualStack : public Module {
 public:
  explicit ResidualStack(const MotionLayers& l) {
    std::vector<int> dilations{1};
    while (int64_t(dilations.size()) < l.depth) dilations.push_back(dilations.back() * l.growth);
    for (size_t i = dilations.size(); i-- > 0;) model.add<ResidualBlock>(l.width, dilations[i], l.dropout);
    reg("model", model);
  }
  Var operator()(const Var& x) const { return model(x); }

 private:
  Sequential model;
};

Var double_time(const Var& x) { return upsample_nearest(x, 2); }

struct DownStage : Sequential {
  explicit DownStage(const MotionLayers& l) { add<Conv1d>(l.width, l.width, 4, 2, 1).add<ResidualStack>(l); }
};
struct UpStage : Sequential {
  explicit UpStage(const MotionLayers& l) {
    add<ResidualStack>(l).add(double_time).add<Conv1d>(l.width, l.width, 3, 1, 1);
  }
};

}  // namespace

MotionEncoder::MotionEncoder(const MotionLayers& l) {
  model.add<Conv1d>(l.features, l.width, 3, 1, 1).add(relu);
  for (int64_t i = 0; i < l.stages; ++i) model.add<DownStage>(l);
  model.add<Conv1d>(l.width, l.width, 3, 1, 1);
  reg("model", model);
}

MotionDecoder::MotionDecoder(const MotionLayers& l) {
  model.add<Conv1d>(l.width, l.width, 3, 1, 1).add(relu);
  for (int64_t i = 0; i < l.stages; ++i) model.add<UpStage>(l);
  model.add<Conv1d>(l.width, l.width, 3, 1, 1).add(relu).add<Conv1d>(l.width, l.features, 3, 1, 1);
  reg("model", model);
}

VqVae::Parts::Parts(const VqVaeConfig& c)
    : encoder({c.features, c.width}),
      decoder({c.features, c.width}),
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
