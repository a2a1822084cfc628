// MotionGPT against PyTorch (tests/golden/make_motiongpt_golden.py): logits, loss, gradients and three AdamW steps of its
// T5; what it writes greedily, from a sentence to the features of a motion and from a motion to a sentence; the rows of a
// public T5.
#include "models/motiongpt/motiongpt.h"
#include "models/tokenizer/public_weights.h"
#include "tests/models/golden_model.h"

namespace kg {
namespace {

const Golden& golden() {
  static const Golden file("motiongpt.safetensors");
  return file;
}
const Json& texts() {
  static const Json config = Json::parse(golden().file().metadata.at("config"));
  return config;
}
std::vector<int32_t> ids_of(const std::string& name) {
  const Tensor ids = golden().get(name);
  return {ids.data<int32_t>(), ids.data<int32_t>() + ids.numel()};
}

MotionLanguage golden_language() {
  const Tensor bytes = golden().get("spiece");
  return {{"spiece", {bytes.data<uint8_t>(), bytes.data<uint8_t>() + bytes.numel()}},
          {.codes = texts()["codes"].get<int64_t>()}};
}
T5Config golden_t5() {
  T5Config c;
  c.vocabulary = golden().get("w.shared.weight").size(0), c.width = texts()["width"], c.heads = texts()["heads"];
  c.head_width = texts()["head_width"], c.feedforward = texts()["feedforward"];
  c.layers = c.decoder_layers = texts()["layers"];
  return c;
}

std::unique_ptr<MotionGpt> golden_model() {
  const MotionLanguage language = golden_language();
  VqVaeConfig tokenizer;
  tokenizer.codes = language.config().codes;
  tokenizer.width = golden().get("vae.vqvae.quantizer.codebook").size(1);
  MotionGptConfig config;
  config.language = language.config(), config.t5 = golden_t5(), config.read = 64, config.written = 16;
  auto model = std::make_unique<MotionGpt>(tokenizer, config, language, humanml3d());
  NamedTensors vae;
  for (const auto& [name, tensor] : golden().file().tensors)
    if (name.starts_with("vae.")) vae.emplace_back(name.substr(4), tensor);
  model->tokenizer.model.load_state_dict(public_vqvae_weights(vae), "the golden file");
  model->tokenizer.statistics = {golden().get("mean"), golden().get("std")};
  load_golden(model->t5, golden(), Dtype::f32);
  model->train(false);
  model->settings.sampling.greedy = true;
  return model;
}

TEST(MotionGptGolden, ForwardLossGradientsAndThreeSteps) {
  AdamOptions options;
  options.lr = 2e-4, options.beta1 = 0.9, options.beta2 = 0.99, options.weight_decay = 0;
  for (const Tolerance& t : kTolerances) {
    SCOPED_TRACE(name_of(t.dtype));
    T5 model(golden_t5());
    load_golden(model, golden(), t.dtype);
    model.eval();  // no dropout
    AdamW optimizer(model, options);
    for (int step = 0; step < 3; ++step) {
      const std::string prefix = "batch." + std::to_string(step) + ".";
      const Tensor ids = golden().get(prefix + "ids"), mask = golden().get(prefix + "mask"),
                   labels = golden().get(prefix + "labels");
      double targets = 0;
      for (const double label : labels.to_vector()) targets += label != -100;
      optimizer.zero_grad();
      const Var logits = model(ids, mask, t5_decoder_ids(labels));
      const Var loss = language_loss(logits, labels, Tensor::full({1}, 1 / targets, t.dtype));
      backward(loss);
      if (step == 0) {
        EXPECT_LT(relative_error(model.encode(ids, mask).value, golden().get("y.encoder")), t.forward);
        EXPECT_LT(relative_error(logits.value, golden().get("y.logits")), t.forward);
        expect_golden_gradients(model, golden(), t.gradient, 51);
      }
      optimizer.step();
      const double want = golden().get("loss." + std::to_string(step)).item();
      EXPECT_NEAR(loss.item(), want, want * t.forward) << "step " << step;
      expect_golden_step(model, golden(), step, options.lr, t.dtype, 51);
    }
  }
}

// As many ids as there are positions; `prompt` is what the words are read as.
std::vector<int32_t> written_greedily(const MotionGpt& model, const std::string& words, const std::string& prompt) {
  const std::vector<int32_t> ids = model.language.encode(words, 64);
  EXPECT_EQ(ids, ids_of(prompt)) << words;
  NoGrad guard;
  const Tensor mask = Tensor::full({1, int64_t(ids.size())}, 1, Dtype::u8);
  const Var memory = model.t5.encode(Tensor::from(ids, {1, int64_t(ids.size())}), mask);
  Decoder decoder(model.t5);
  return write(decoder, model.t5.start(memory.value, mask, 12), {0}, {.greedy = true, .min_tokens = 0}).front();
}

TEST(MotionGptGolden, WritesAMotionForASentence) {
  const auto model = golden_model();
  const std::string sentence = texts()["answer"];
  const auto written = written_greedily(*model, "Generate motion: " + sentence, "answer.prompt");
  EXPECT_EQ(written, ids_of("answer.written"));
  EXPECT_EQ(model->language.read(written).codes, ids_of("answer.codes"));
  model->settings.only_motion = false;
  EXPECT_LT(relative_error(model->generate({{sentence}}, 0)[0], golden().get("answer.features")), 1e-5);
}

TEST(MotionGptGolden, WritesAMotionOfALengthUnderItsRule) {
  const auto model = golden_model();
  EXPECT_EQ(model->language.encode("Generate motion: " + texts()["ruled"].get<std::string>(), 64),
            ids_of("ruled.prompt"));
  EXPECT_EQ(model->language.read(ids_of("ruled.written")).codes, ids_of("ruled.codes"));
  const Tensor motion = model->generate({{texts()["ruled"], 0, 20}}, 0)[0];
  EXPECT_EQ(motion.to_vector(), model->tokenizer.decode(ids_of("ruled.codes")).to_vector());
}

TEST(MotionGptGolden, WritesASentenceForAMotion) {
  const auto model = golden_model();
  const Tensor motion = golden().get("caption.features");
  const std::vector<int32_t> codes = model->tokenizer.encode(motion);
  EXPECT_EQ(codes, ids_of("caption.codes"));
  EXPECT_EQ(written_greedily(*model, "Generate text: " + model->language.motion(codes), "caption.prompt"),
            ids_of("caption.written"));
  EXPECT_EQ(model->caption({motion}), std::vector<std::string>{texts()["caption"]});
}

TEST(MotionGptGolden, KeepsTheRowsOfAPublicT5) {
  const int64_t rows = int64_t(golden().get("public_rows").item());
  T5Config smaller = golden_t5();
  smaller.vocabulary = rows;
  T5 from(smaller), to(golden_t5());
  NamedTensors weights;
  for (const auto& [name, tensor] : golden().file().tensors)
    if (name.starts_with("w."))
      weights.emplace_back(name.substr(2), tensor.slice(0, 0, std::min(rows, tensor.size(0))).contiguous());
  from.load_state_dict(weights, "the golden file");
  take_public_weights(to, from, "a public T5");
  to.eval();
  NoGrad guard;
  const Tensor logits =
      to(golden().get("public.ids"), golden().get("batch.0.mask"), t5_decoder_ids(golden().get("public.labels"))).value;
  EXPECT_LT(relative_error(logits.slice(2, 0, rows).contiguous(), golden().get("public.logits")), 1e-5);
  for (const auto& [name, tensor] : to.state_dict()) {
    if (name != "shared.weight" && name != "lm_head.weight") continue;
    double squares = 0;
    const std::vector<double> fresh = tensor.slice(0, rows, tensor.size(0)).contiguous().to_vector();
    for (const double x : fresh) squares += x * x;
    const double deviation = name == "shared.weight" ? 1 : std::pow(double(smaller.width), -0.5);
    EXPECT_NEAR(std::sqrt(squares / double(fresh.size())) / deviation, 1, 0.4) << name;
  }
}

}  // namespace
}  // namespace kg
