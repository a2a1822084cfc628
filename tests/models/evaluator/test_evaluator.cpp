// The evaluator networks: sizes and names of the published ones, values and gradients against PyTorch
// (tests/golden/evaluator.safetensors), and embeddings that depend on nothing but the item.
#include "models/evaluator/evaluator.h"

#include "models/evaluator/presets.h"
#include "tests/error_of.h"
#include "tests/models/golden_model.h"

namespace kg {
namespace {

using Tokens = std::vector<std::vector<std::string>>;

const Golden& evaluator_golden() {
  static const Golden file("evaluator.safetensors");
  return file;
}
EvaluatorConfig small_config() {
  return {.features = 23, .movement = 8, .motion = 6, .text = 5, .embedding = 7, .words = 4};
}
EvaluatorWords some_words() {
  return EvaluatorWords({"sos", "eos", "unk", "a", "man", "walk", "jump", "slowly", "turn"}, "the test");
}
void load(Module& module, const std::string& prefix, Dtype dtype) {
  module.to(dtype);
  module.eval();  // no dropout
  NamedTensors entries;
  for (const auto& [name, tensor] : evaluator_golden().file().tensors)
    if (name.starts_with(prefix)) entries.emplace_back(name.substr(prefix.size()), tensor);
  module.load_state_dict(entries, "evaluator.safetensors");
}
void expect_gradients(const Module& module, const std::string& prefix, double tolerance) {
  for (const auto& [name, parameter] : module.named_parameters())
    EXPECT_LT(relative_error(parameter->grad(), evaluator_golden().get(prefix + name), 1e-3), tolerance) << name;
}
SentenceBatch golden_sentences(Dtype dtype) {
  const Tensor ids = evaluator_golden().get("match.classes"), classes = Tensor::zeros({3, kSentence, kWordClasses});
  for (int64_t i = 0; i < ids.numel(); ++i) classes.data<float>()[i * kWordClasses + ids.data<int32_t>()[i]] = 1;
  return {evaluator_golden().get("match.words"), classes.to(dtype), evaluator_golden().get("match.length")};
}

TEST(Evaluator, HasTheParametersOfThePublishedNetworks) {
  const EvaluatorConfig paper = evaluator_preset("paper").model;
  Evaluator t2m(paper, some_words());
  EXPECT_EQ(t2m.movement_encoder.parameter_count(), 1842688);
  EXPECT_EQ(t2m.motion_encoder.parameter_count(), 15747584);
  EXPECT_EQ(t2m.text_encoder.parameter_count(), 4100288);
  EXPECT_EQ(t2m.width(), 512);
  EXPECT_EQ(MovementEncoder(251 - kUnseenFeatures, paper.movement).parameter_count(), 1818112);
  EXPECT_EQ(Evaluator(small_config(), some_words()).word_vectors.parameter_count(), 9 * 4);
}

TEST(Evaluator, EmbeddingsLossAndGradientsAreThoseOfPyTorch) {
  for (const Tolerance& t : kTolerances) {
    SCOPED_TRACE(name_of(t.dtype));
    Evaluator e(small_config(), some_words());
    load(e, "match.w.", t.dtype);
    const Tensor frames = evaluator_golden().get("match.frames");
    const std::vector<int64_t> lengths(frames.data<int32_t>(), frames.data<int32_t>() + 3);
    const Var motion = e.encode(e.prepare_motion(evaluator_golden().get("match.motion"), lengths));
    const Var text = e.encode(golden_sentences(t.dtype));
    EXPECT_LT(relative_error(motion.value, evaluator_golden().get("match.y.motion")), t.forward);
    EXPECT_LT(relative_error(text.value, evaluator_golden().get("match.y.text")), t.forward);
    const MatchingLoss loss = matching_loss(text, motion, evaluator_golden().get("match.partner"));
    const std::vector<double> want = evaluator_golden().get("match.loss").to_vector();
    EXPECT_NEAR(loss.total.item(), want[0], t.forward * want[0]);
    EXPECT_NEAR(loss.positive.item(), want[1], t.forward * want[0]);
    EXPECT_NEAR(loss.negative.item(), want[2], t.forward * want[0]);
    backward(loss.total);
    expect_gradients(e, "match.g.", t.gradient);
  }
}

TEST(Evaluator, AutoencoderIsThatOfPyTorch) {
  for (const Tolerance& t : kTolerances) {
    SCOPED_TRACE(name_of(t.dtype));
    MovementAutoencoder a(small_config());
    load(a, "movement.w.", t.dtype);
    const MovementAutoencoder::Loss loss = a.loss(evaluator_golden().get("movement.x", t.dtype));
    const std::vector<double> want = evaluator_golden().get("movement.loss").to_vector();
    const Var got[] = {loss.total, loss.reconstruction, loss.sparsity, loss.smoothness};
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(got[i].item(), want[i], t.forward * want[i]) << i;
    backward(loss.total);
    expect_gradients(a, "movement.g.", t.gradient);
  }
}

// By hand: with texts and motions on a line, d = |text - motion + 1e-6|.
TEST(MatchingLoss, ByHand) {
  const Var text(Tensor::from<double>({0, 3}, {2, 1})), motion(Tensor::from<double>({1, 15}, {2, 1}));
  const MatchingLoss l = matching_loss(text, motion, Tensor::from<int32_t>({1, 0}, {2}));
  EXPECT_NEAR(l.positive.item(), (1. + 144) / 2, 1e-4);
  EXPECT_NEAR(l.negative.item(), (0. + 64) / 2, 1e-4);  // 15 apart: beyond the margin; 2 apart: (10 - 2)^2
  EXPECT_NEAR(l.total.item(), l.positive.item() + l.negative.item(), 1e-12);
  const Var at(Tensor::from<double>({5}, {1, 1}), true);  // the distance of equal points has a gradient
  backward(matching_loss(at, Var(Tensor::from<double>({5}, {1, 1})), Tensor::from<int32_t>({0}, {1})).total);
  EXPECT_TRUE(all_finite(at.grad()));
}

Tensor random_motions(int64_t count, int64_t frames, uint64_t stream) {
  const Tensor t = Tensor::empty({count, frames, 23});
  fill_normal(t, 0, 1, {4, stream});
  return t;
}

// Rows are the same whatever else is in the call, in whatever order, padded by however much, with whatever behind the
// end of a motion.
TEST(Evaluator, MotionsDoNotDependOnTheOthers) {
  default_generator() = {3, 0};
  Evaluator e(small_config(), some_words());
  e.eval();
  const Tensor motions = random_motions(70, 196, 1);  // more than are embedded at once
  std::vector<int64_t> lengths;
  for (int64_t i = 0; i < 70; ++i) lengths.push_back(4 + (i * 37) % 193);
  lengths[3] = 196, lengths[4] = 4;
  const Tensor all = e.embed_motion(motions, lengths);
  ASSERT_EQ(all.shape(), (Shape{70, 7}));
  for (int64_t i : {0, 3, 4, 50, 69}) {
    const int64_t n = lengths[size_t(i)];
    const Tensor alone = e.embed_motion(motions.slice(0, i, i + 1).slice(1, 0, n), {n});
    EXPECT_LT(max_abs_difference(alone, all.slice(0, i, i + 1)), 1e-5) << i;
  }
  EXPECT_GT(max_abs_difference(all.slice(0, 0, 1), all.slice(0, 1, 2)), 1e-2);
  EXPECT_EQ(e.embed_motion(motions.slice(0, 0, 0), {}).shape(), (Shape{0, 7}));
}

TEST(Evaluator, TextsDoNotDependOnTheOthers) {
  default_generator() = {3, 0};
  Evaluator e(small_config(), some_words());
  e.eval();
  const Tokens texts = {
      {"a/DET", "man/NOUN", "walk/VERB"}, {"jump/VERB"}, {"a/DET", "bird/NOUN"}, {"a/DET", "owl/ADV"}};
  const Tensor all = e.embed_text(texts);
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_LT(max_abs_difference(e.embed_text({texts[i]}), all.slice(0, int64_t(i), int64_t(i) + 1)), 1e-6) << i;
  // Unknown words are one word.
  EXPECT_EQ(all.select(0, 2).to_vector(), all.select(0, 3).to_vector());
  EXPECT_GT(max_abs_difference(all.slice(0, 0, 1), all.slice(0, 1, 2)), 1e-2);
}

TEST(Evaluator, LoadsPublishedWeights) {
  default_generator() = {5, 0};
  Evaluator from(small_config(), some_words());
  NamedTensors entries = {{"epoch", Tensor::scalar(7)}, {"opt_text_encoder.state.0.step", Tensor::scalar(1)}};
  for (const auto& [name, tensor] : from.state_dict())
    if (!name.starts_with("word_vectors")) entries.emplace_back(name, tensor.clone());
  Evaluator to(small_config(), some_words(), Tensor::zeros({9, 4}));
  to.load_official(entries, "finest.tar");
  from.eval(), to.eval();
  const Tensor motion = random_motions(2, 20, 2);
  EXPECT_EQ(to.embed_motion(motion, {20, 9}).to_vector(), from.embed_motion(motion, {20, 9}).to_vector());
  EXPECT_EQ(max_abs_difference(to.word_vectors.weight.value, Tensor::zeros({9, 4})), 0);
  entries.pop_back();
  EXPECT_NE(error_of(ErrorCode::input, [&] { to.load_official(entries, "finest.tar"); }).find("finest.tar"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorCode::input,
                     [&] {
                       to.load_official({{"epoch", Tensor::scalar(7)}}, "finest.tar");
                     })
                .find("no weights under movement_encoder."),
            std::string::npos);
}

TEST(Evaluator, WordVectorsThatAreGivenStay) {
  Evaluator given(small_config(), some_words(), Tensor::ones({9, 4})), own(small_config(), some_words());
  EXPECT_FALSE(given.trains_words());
  EXPECT_FALSE(given.word_vectors.weight.requires_grad());
  EXPECT_TRUE(own.trains_words());
  EXPECT_TRUE(own.word_vectors.weight.requires_grad());
}

TEST(Evaluator, BadInput) {
  Evaluator e(small_config(), some_words());
  const Tensor motions = random_motions(2, 20, 3);
  const auto says = [](const std::function<void()>& call, const std::string& part) {
    const std::string text = error_of(ErrorCode::input, call);
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  EXPECT_THROW(e.embed_motion(motions, {20, 20}), Error);  // still training: dropout would draw
  e.eval();
  says([&] { e.embed_motion(motions, {20, 21}); }, "motion 1 has 21 frames");
  says([&] { e.embed_motion(motions, {3, 20}); }, "motion 0 has 3 frames");
  says([&] { e.embed_motion(random_motions(1, 200, 4), {200}); }, "motion 0 has 200 frames");
  says([&] { e.embed_motion(motions, {20}); }, "motions must be (1, frames, 23)");
  says([&] { e.embed_motion(motions.slice(2, 0, 22), {20, 20}); }, "motions must be");
  says([&] { e.embed_text({{"walk"}}); }, "not of the form word/POS");
}

}  // namespace
}  // namespace kg
