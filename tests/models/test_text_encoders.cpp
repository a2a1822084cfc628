// CLIP's text tower, BERT and DistilBERT against the reference packages (tests/golden/make_text_encoder_golden.py):
// states, features and the gradient of every parameter, in f64 and f32; sizes; names of weights.
#include "models/text/bert.h"
#include "models/text/clip.h"
#include "models/text/pooling.h"
#include "tests/error_of.h"
#include "tests/models/golden_model.h"

namespace kg {
namespace {

const std::vector<Tolerance> kTextTolerances = {{Dtype::f64, 1e-9, 1e-9}, {Dtype::f32, 1e-5, 1e-5}};
constexpr double kSmall = 0.5;  // below every gradient but those of key biases, which are zero but for rounding

NamedTensors golden_weights(const Golden& golden) {
  NamedTensors entries;
  for (const auto& [name, tensor] : golden.file().tensors)
    if (name.starts_with("w.")) entries.emplace_back(name.substr(2), tensor);
  return entries;
}
// Compares y.NAME and returns the part of the loss that weighs it with r.NAME.
Var scored(const Var& value, const Golden& golden, const std::string& name, double tolerance) {
  EXPECT_LT(relative_error(value.value, golden.get("y." + name)), tolerance) << name;
  return sum(value * Var(golden.get("r." + name, value.dtype())));
}
ClipTextConfig tiny_clip(int64_t layers, int64_t positions) {
  ClipTextConfig c;
  c.vocabulary = 40, c.width = 16, c.layers = layers, c.heads = 2, c.feedforward = 24;
  c.projection = 12, c.positions = positions;
  return c;
}
BertConfig tiny_bert(bool distil) {
  BertConfig c = bert_preset(distil ? "distilbert-base" : "bert-base");
  c.vocabulary = 40, c.width = 16, c.layers = 3, c.heads = 4, c.feedforward = 24, c.positions = 12;
  return c;
}
// 1 / number of tokens at tokens, 0 at pads.
Tensor mean_share(const Tensor& mask, Dtype dtype) {
  const Tensor m = mask.to(Dtype::f64);
  return div(m, sum(m, {1}, true)).unsqueeze(2).to(dtype);
}

TEST(ClipText, GoldenForwardAndGradients) {
  const Golden golden("clip.safetensors");
  for (const Tolerance& t : kTextTolerances) {
    ClipText model(tiny_clip(3, 10));
    load_golden(model, golden, t.dtype);
    const Tensor ids = golden.get("ids"), end = clip_end(ids).to(t.dtype);
    const Var loss =
        scored(model.hidden(ids), golden, "hidden", t.forward) + scored(model(ids, end), golden, "feature", t.forward);
    EXPECT_LT(relative_error(loss.value.reshape({1}), golden.get("loss")), t.forward);
    backward(loss);
    expect_golden_gradients(model, golden, t.gradient, 53, kSmall);
  }
}

TEST(ClipText, PadsChangeNoFeature) {
  const Golden golden("clip.safetensors");
  ClipText model(tiny_clip(3, 10));
  load_golden(model, golden, Dtype::f64);
  const Tensor ids = golden.get("ids").slice(0, 0, 1).contiguous(), cut = ids.slice(1, 0, 5).contiguous();
  const Tensor whole = model(ids, clip_end(ids).to(Dtype::f64)).value;
  EXPECT_LT(relative_error(model(cut, clip_end(cut).to(Dtype::f64)).value, whole), 1e-12);
}

TEST(ClipText, ReadsTheOriginalArchivesNames) {
  const Golden golden("clip_original.safetensors");
  const NamedTensors weights = clip_text_weights(golden_weights(golden), "golden");
  ClipTextConfig config = tiny_clip(2, 9);
  config.feedforward = 64;
  ClipText model(config);
  model.load_state_dict(weights, "golden");
  const Tensor ids = golden.get("ids");
  EXPECT_LT(relative_error(model(ids, clip_end(ids)).value, golden.get("y.feature")), 1e-5);
}

TEST(ClipText, SizesComeFromTheShapes) {
  ClipTextConfig config = tiny_clip(2, 9);
  config.width = 128;
  const ClipTextConfig found = clip_text_config(ClipText(config).state_dict(), "tiny");
  EXPECT_EQ(found.vocabulary, 40);
  EXPECT_EQ(found.width, 128);
  EXPECT_EQ(found.heads, 2);
  EXPECT_EQ(found.layers, 2);
  EXPECT_EQ(found.feedforward, 24);
  EXPECT_EQ(found.projection, 12);
  EXPECT_EQ(found.positions, 9);
}

TEST(ClipText, FilesOfOtherModelsAreRefusedByName) {
  const NamedTensors other = {{"encoder.weight", Tensor::zeros({2, 2})}};
  EXPECT_NE(error_of(ErrorCode::input, [&] { clip_text_weights(other, "f.pt"); }).find("f.pt: no CLIP text encoder"),
            std::string::npos);
  NamedTensors no_projection = ClipText(tiny_clip(1, 9)).state_dict();
  std::erase_if(no_projection, [](const auto& entry) { return entry.first == "text_projection.weight"; });
  EXPECT_NE(error_of(ErrorCode::input, [&] { clip_text_weights(no_projection, "f"); }).find("lacks text_projection"),
            std::string::npos);
  ClipText model(tiny_clip(1, 9));
  EXPECT_NE(error_of(ErrorCode::runtime,
                     [&] {
                       model.hidden(Tensor::zeros({1, 10}, Dtype::i32));
                     })
                .find("9 positions"),
            std::string::npos);
}

void compare_bert(bool distil) {
  const Golden golden(distil ? "distilbert.safetensors" : "bert.safetensors");
  for (const Tolerance& t : kTextTolerances) {
    Bert model(tiny_bert(distil));
    load_golden(model, golden, t.dtype);
    model.eval();
    const Tensor mask = golden.get("mask");
    const Var hidden = model.hidden(golden.get("ids"), mask, distil ? Tensor() : golden.get("types"));
    const Var sentence = l2_normalize(pool(hidden, mean_share(mask, t.dtype)));
    Var loss = scored(hidden, golden, "hidden", t.forward) + scored(sentence, golden, "sentence", t.forward);
    if (!distil) loss = loss + scored(model.pooled(hidden), golden, "pooled", t.forward);
    EXPECT_LT(relative_error(loss.value.reshape({1}), golden.get("loss")), t.forward);
    backward(loss);
    expect_golden_gradients(model, golden, t.gradient, distil ? 52 : 55, kSmall);
  }
}
TEST(Bert, GoldenForwardAndGradients) { compare_bert(false); }
TEST(Bert, DistilGoldenForwardAndGradients) { compare_bert(true); }

TEST(Bert, ReadsAModelInsideATaskHeadsFileAndOldNormNames) {
  const Golden golden("bert.safetensors");
  NamedTensors file = {{"cls.predictions.bias", Tensor::zeros({40})},
                       {"bert.embeddings.position_ids", Tensor::zeros({1, 12}, Dtype::i32)}};
  for (const auto& [name, tensor] : golden_weights(golden)) {
    std::string old = name;
    if (const size_t at = old.find("LayerNorm.weight"); at != std::string::npos) old.replace(at + 10, 6, "gamma");
    if (const size_t at = old.find("LayerNorm.bias"); at != std::string::npos) old.replace(at + 10, 4, "beta");
    file.emplace_back("bert." + old, tensor);
  }
  Bert model(tiny_bert(false));
  model.load_state_dict(bert_weights(file, "golden"), "golden");
  model.eval();
  const Tensor mask = golden.get("mask");
  EXPECT_LT(relative_error(model.hidden(golden.get("ids"), mask, golden.get("types")).value, golden.get("y.hidden")),
            1e-5);
  EXPECT_NE(error_of(ErrorCode::input, [&] { bert_weights({}, "f.bin"); }).find("f.bin: no BERT or DistilBERT"),
            std::string::npos);
}

TEST(Bert, DropoutIsOnInTrainingOnly) {
  default_generator() = {3, 0};
  Bert model(tiny_bert(true));
  const Tensor ids = Tensor::from(std::vector<int32_t>{1, 2, 3, 4}, {1, 4}), mask = Tensor::ones({1, 4}, Dtype::u8);
  const auto states = [&] { return model.hidden(ids, mask).value.to_vector(); };
  EXPECT_NE(states(), states());
  model.eval();
  EXPECT_EQ(states(), states());
}

TEST(Pooling, NormsAreOneAndZeroStaysZero) {
  const Tensor x = Tensor::from(std::vector<double>{3, 4, 0, 0}, {2, 2});
  const Var v(x, true);
  const Var y = l2_normalize(v);
  const std::vector<double> got = y.value.to_vector(), want = {0.6, 0.8, 0, 0};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i], want[i], 1e-15) << i;
  backward(sum(y));
  for (double g : v.grad().to_vector()) EXPECT_TRUE(std::isfinite(g));
}

TEST(TextEncoderSizes, ParameterCountsOfThePublicModels) {
  EXPECT_EQ(ClipText(clip_preset("vit-b/32")).parameter_count(), 63428096);
  EXPECT_EQ(Bert(bert_preset("distilbert-base")).parameter_count(), 66362880);
  EXPECT_EQ(Bert(bert_preset("minilm-l6")).parameter_count(), 22713216);
}

}  // namespace
}  // namespace kg
