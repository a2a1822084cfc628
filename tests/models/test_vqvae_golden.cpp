// The motion VQ-VAE against PyTorch (tests/golden/vqvae.safetensors): forward values, losses, gradients, and three
// training steps with the codebook's moving averages and resets, in f64 and f32.

#include "models/tokenizer/vqvae.h"
#include "tests/models/golden_model.h"

namespace kg {
namespace {

const Golden& vqvae_golden() {
  static const Golden file("vqvae.safetensors");
  return file;
}
std::string numbered(const char* name, int step) { return name + std::to_string(step); }

VqVaeConfig tiny_vqvae() {
  VqVaeConfig config;
  config.features = 23, config.width = 6, config.codes = 8;
  return config;
}

// The quantiser's state at the start: the stored codebook, or empty.
NamedTensors quantizer_state(bool filled, Dtype dtype) {
  NamedTensors state;
  for (const char* name : {"codebook", "code_sum", "code_count"}) {
    const Tensor stored = vqvae_golden().get(name, dtype);
    state.emplace_back(std::string("vqvae.quantizer.") + name, filled ? stored : zeros_like(stored));
  }
  state.emplace_back("vqvae.quantizer.initialized", Tensor::full({1}, filled ? 1 : 0, Dtype::u8));
  return state;
}

void expect_quantizer(const Quantizer& quantizer, const std::string& prefix, double tolerance) {
  EXPECT_LT(relative_error(quantizer.codebook.value, vqvae_golden().get(prefix + ".codebook")), tolerance) << prefix;
  EXPECT_LT(relative_error(quantizer.code_sum, vqvae_golden().get(prefix + ".code_sum")), tolerance) << prefix;
  EXPECT_LT(relative_error(quantizer.code_count, vqvae_golden().get(prefix + ".code_count")), tolerance) << prefix;
}

void expect_losses(const VqVae::Loss& loss, const std::string& name, double tolerance) {
  const std::vector<double> want = vqvae_golden().get(name).to_vector();  // total, reconstruction, commitment, position
  EXPECT_NEAR(loss.total.item(), want[0], tolerance * want[0]) << name;
  EXPECT_NEAR(loss.reconstruction.item(), want[1], tolerance * want[1]) << name;
  EXPECT_NEAR(loss.commitment.item(), want[2], tolerance * want[2]) << name;
  EXPECT_NEAR(loss.position.item(), want[3], tolerance * want[3]) << name;
}

void expect_forward(const VqVae::Output& out, double tolerance) {
  EXPECT_LT(relative_error(out.encoded.value, vqvae_golden().get("y.encoded")), tolerance);
  EXPECT_LT(relative_error(out.quantized.y.value, vqvae_golden().get("y.dequantized")), tolerance);
  EXPECT_LT(relative_error(out.reconstruction.value, vqvae_golden().get("y.decoded")), tolerance);
}

AdamOptions recipe() {
  AdamOptions options;
  options.lr = 2e-4, options.beta1 = 0.9, options.beta2 = 0.99, options.weight_decay = 0;
  return options;
}

// Three training steps; `prefix` is "" or "init.".
void train(const std::string& prefix, const Tolerance& t) {
  SCOPED_TRACE(prefix + name_of(t.dtype));
  VqVae model(tiny_vqvae());
  const bool filled = prefix.empty();
  load_golden(model, vqvae_golden(), t.dtype, quantizer_state(filled, t.dtype));
  model.train();
  AdamW optimizer(model, recipe());
  for (int step = 0; step < 3; ++step) {
    const Tensor x = vqvae_golden().get(numbered("batch.", step), t.dtype);
    optimizer.zero_grad();
    const VqVae::Output out = model(x);
    const VqVae::Loss loss = model.loss(out, x);
    backward(loss.total);
    if (filled && step == 0) {
      expect_forward(out, t.forward);
      expect_golden_gradients(model, vqvae_golden(), t.gradient);
    }
    optimizer.step();
    const double after = step == 0 ? t.forward : 10 * t.forward;  // the weights differ by now, too
    expect_losses(loss, numbered((prefix + "loss.").c_str(), step), after);
    expect_same_ids(out.quantized.ids, vqvae_golden().get(numbered((prefix + "ids.").c_str(), step)), "ids");
    EXPECT_NEAR(out.quantized.perplexity(), vqvae_golden().get(numbered((prefix + "perplexity.").c_str(), step)).item(),
                1e-6);
    expect_quantizer(model.quantizer(), numbered((prefix + "q.").c_str(), step), after);
    if (filled) expect_golden_step(model, vqvae_golden(), step, recipe().lr, t.dtype);
  }
}

TEST(VqVaeGolden, TrainingFromAFilledCodebook) {
  for (const Tolerance& t : kTolerances) train("", t);
}

TEST(VqVaeGolden, TrainingFromAnEmptyCodebook) {
  for (const Tolerance& t : kTolerances) train("init.", t);
}

TEST(VqVaeGolden, EncodesAndDecodesAClipOfAnotherLength) {
  for (const Tolerance& t : kTolerances) {
    VqVae model(tiny_vqvae());
    load_golden(model, vqvae_golden(), t.dtype, quantizer_state(true, t.dtype));
    model.eval();
    const Tensor ids = model.encode(vqvae_golden().get("eval.x", t.dtype));
    ASSERT_EQ(ids.shape(), (Shape{1, 5}));
    expect_same_ids(ids.reshape({5}), vqvae_golden().get("eval.ids"), "ids");
    EXPECT_LT(relative_error(model.decode(ids), vqvae_golden().get("eval.decoded")), t.forward);
    // Evaluation leaves the codebook as it is.
    model(vqvae_golden().get("eval.x", t.dtype));
    EXPECT_LT(relative_error(model.quantizer().codebook.value, vqvae_golden().get("codebook")), 1e-15);
  }
}

}  // namespace
}  // namespace kg
