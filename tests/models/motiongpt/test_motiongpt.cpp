// MotionGPT whole, at toy size with random weights: what its answers are made of, whatever is in them.
#include <gtest/gtest.h>

#include <cmath>

#include "models/motiongpt/motiongpt.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

MotionLanguage toy_language(int64_t codes) {
  LanguageConfig config;
  config.codes = codes, config.pieces = 400;
  return MotionLanguage::train({"a person walks forward", "someone waves with the left hand"},
                               {pretraining_templates(), instruction_templates()}, config);
}

std::unique_ptr<MotionGpt> toy_model() {
  default_generator().seed = 3;
  VqVaeConfig tokenizer;
  tokenizer.codes = 16, tokenizer.width = 8;
  static const MotionLanguage language = toy_language(tokenizer.codes);
  MotionGptConfig config;
  config.language = language.config();
  config.read = 80, config.written = 24;
  T5Config& t5 = config.t5;
  t5.vocabulary = language.size(), t5.width = 16, t5.feedforward = 24, t5.heads = 2, t5.head_width = 8;
  t5.layers = t5.decoder_layers = 2, t5.end = language.end();
  auto model = std::make_unique<MotionGpt>(tokenizer, config, language, humanml3d());
  scale_new_head(model->t5);
  for (auto& [name, tensor] : model->tokenizer.model.state_dict())  // codes that differ
    if (name.find("codebook") != std::string::npos && tensor.rank() == 2) fill_normal(tensor, 0, 1, Philox{5, 0});
  const int64_t features = humanml3d().features();
  model->tokenizer.statistics = {Tensor::zeros({features}), Tensor::full({features}, 1)};
  return model;
}

Tensor motion_of(int64_t frames, uint64_t seed) {
  const Tensor t = Tensor::empty({frames, humanml3d().features()});
  fill_normal(t, 0, 1, Philox{seed, 0});
  return t;
}

TEST(MotionGpt, PaperHasItsParameters) {  // spec: FLAN-T5 base and T5 base with 32,615 rows
  T5Config config = motiongpt_preset("paper", MotionGptStage::instruct).model.t5;
  config.vocabulary = 32615;
  EXPECT_EQ(parameter_count(config), 248'325'888);
  T5Config base = t5_preset("t5-base");
  base.vocabulary = 32615;
  EXPECT_EQ(parameter_count(base), 223'277'568);
}

TEST(MotionGpt, MotionsAreAsLongAsAskedFor) {
  const auto model = toy_model();
  const auto motions = model->generate({{"a person walks", 1, 16}, {"a person walks", 2, 18}, {"waves", 3, 0}}, 7);
  EXPECT_EQ(motions[0].size(0), 16);
  EXPECT_EQ(motions[1].size(0), 20) << "whole tokens of 4 frames, rounded up";
  EXPECT_GE(motions[2].size(0), 4);
  EXPECT_LE(motions[2].size(0), model->max_frames());
  EXPECT_EQ(model->max_frames(), 84);
  EXPECT_NE(error_of(ErrorCode::runtime,
                     [&] {
                       model->generate({{"walks", 0, 400}}, 7);
                     })
                .find("84"),
            std::string::npos);
}

TEST(MotionGpt, AMotionDoesNotDependOnItsNeighbours) {
  const auto model = toy_model();
  const std::vector<MotionRequest> both{{"a person walks", 1, 16}, {"someone waves with the left hand and walks", 2}};
  const auto together = model->generate(both, 7);
  for (size_t i = 0; i < both.size(); ++i)
    EXPECT_EQ(model->generate({both[i]}, 7)[0].to_vector(), together[i].to_vector());
  EXPECT_NE(model->generate({both[0]}, 8)[0].to_vector(), together[0].to_vector()) << "the seed has its part";
}

TEST(MotionGpt, CompletionsHoldWhatWasGiven) {
  const auto model = toy_model();
  const Tensor begin = motion_of(8, 1), end = motion_of(12, 2);
  const Tensor predicted = model->generate({{"", 1, 40, begin}}, 7)[0];
  ASSERT_EQ(predicted.size(0), 40);
  EXPECT_EQ(predicted.slice(0, 0, 8).contiguous().to_vector(), begin.to_vector());
  const Tensor between = model->generate({{"", 1, 40, begin, end}}, 7)[0];
  ASSERT_EQ(between.size(0), 40);
  EXPECT_EQ(between.slice(0, 0, 8).contiguous().to_vector(), begin.to_vector());
  EXPECT_EQ(between.slice(0, 28, 40).contiguous().to_vector(), end.to_vector());
  EXPECT_NE(error_of(ErrorCode::usage,
                     [&] {
                       model->generate({{"", 1, 0, begin, end}}, 7);
                     })
                .find("length"),
            std::string::npos);
  EXPECT_THROW(model->generate({{"", 1, 16, begin, end}}, 7), Error) << "no gap is left";
}

// Both forms of a completion are of the same codes.
TEST(MotionGpt, CompletionsJoinedAndAlone) {
  const auto model = toy_model();
  const Tensor begin = motion_of(8, 1), end = motion_of(12, 2);
  const std::vector<MotionRequest> requests{{"", 1, 40, begin}, {"", 2, 40, begin, end}};
  const std::vector<Completion> made = model->complete(requests, 7);
  const std::vector<Tensor> motions = model->generate(requests, 7);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(made[i].joined.to_vector(), motions[i].to_vector());
  EXPECT_EQ(made[0].alone.size(0), 32) << "what follows the 8 frames";
  EXPECT_EQ(made[1].alone.size(0), 40) << "the whole motion";
  EXPECT_EQ(made[1].alone.slice(0, 8, 28).contiguous().to_vector(),
            made[1].joined.slice(0, 8, 28).contiguous().to_vector());
  // A beginning that is no whole number of tokens: what follows is laid where it belongs in time.
  const Tensor longer = motion_of(10, 1);
  const Completion cut = model->complete({{"", 1, 40, longer}}, 7)[0];
  EXPECT_EQ(cut.joined.size(0), 40);
  EXPECT_EQ(cut.joined.slice(0, 0, 10).contiguous().to_vector(), longer.to_vector());
  EXPECT_EQ(cut.alone.size(0), 32);
  EXPECT_NE(error_of(ErrorCode::usage,
                     [&] {
                       model->complete({{"a person walks", 1, 40}}, 7);
                     })
                .find("beginning"),
            std::string::npos);
}

TEST(MotionGpt, CaptionsAndAnswers) {
  const auto model = toy_model();
  const std::vector<Tensor> motions{motion_of(8, 1), motion_of(20, 2)};
  const auto captions = model->caption(motions);
  ASSERT_EQ(captions.size(), 2u);
  EXPECT_EQ(model->caption({motions[1]})[0], captions[1]) << "read alone or with others";
  const Answer answer = model->answer({"What is <motion>?", {motions[0]}, 4}, 9);
  EXPECT_EQ(model->answer({"What is <motion>?", {motions[0]}, 4}, 9).text, answer.text);
}

TEST(MotionGpt, QuotesAreNoPartOfACaption) {
  EXPECT_EQ(without_quotes("\"a person walks\""), "a person walks");
  EXPECT_EQ(without_quotes("says \"hello\""), "says \"hello\"");
  EXPECT_EQ(without_quotes("\"cut off"), "\"cut off");
  EXPECT_EQ(without_quotes("\""), "\"");
  EXPECT_EQ(without_quotes(""), "");
}

TEST(MotionGpt, TellsWhatItDoesNotReadAndRefusesWhatItMustReadWhole) {
  const auto model = toy_model();
  EXPECT_TRUE(model->notes({"a person walks"}).empty());
  std::string longer = "a person walks";
  for (int i = 0; i < 100; ++i) longer += " and walks";
  const auto notes = model->notes({longer, "a person \u8d70 walks"});
  ASSERT_EQ(notes.size(), 2u);
  EXPECT_NE(notes[0].find("the model reads the first 80"), std::string::npos) << notes[0];
  EXPECT_NE(notes[1].find("has no pieces for: \u8d70"), std::string::npos) << notes[1];
  EXPECT_GE(model->generate({{longer, 1, 16}}, 7)[0].size(0), 16) << "cut off, as the note says";
  const Tensor motion = motion_of(400, 1);
  const auto expect = [](const std::function<void()>& call, const std::string& part) {
    const std::string message = error_of(ErrorCode::input, call);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  expect([&] { model->caption({motion}); }, "a motion of 400 frames takes");
  expect([&] { model->answer({"What is <motion>?", {motion}}, 1); }, "at most 80 can be read");
  expect([&] { model->generate({{"", 1, 0, motion}}, 7); }, "the beginning of 400 frames takes");
}

TEST(MotionGpt, FilesHoldAllOfIt) {
  const auto model = toy_model();
  const TensorFile file = model->save();
  const auto again = MotionGpt::open(file, {}, "FILE");
  EXPECT_EQ(again->generate({{"a person walks", 1}}, 7)[0].to_vector(),
            model->generate({{"a person walks", 1}}, 7)[0].to_vector());
  EXPECT_EQ(again->caption({motion_of(8, 1)}), model->caption({motion_of(8, 1)}));
  TensorFile other = file;
  Json config = Json::parse(other.metadata.at("model"));
  config["motiongpt"]["heads"] = 4;
  other.metadata["model"] = config.dump();
  EXPECT_NE(error_of(ErrorCode::input, [&] { again->load(other, "OTHER"); }).find("OTHER"), std::string::npos);
}

TEST(MotionGpt, LossOfPartsAddsUpToThatOfTheWhole) {
  // logits of two classes, 0 and log 3: -log softmax is log 4 - log 3 for class 1, log 4 for class 0
  const Var logits(Tensor::from<float>({0, std::log(3.f), 0, std::log(3.f), 0, std::log(3.f)}, {1, 3, 2}));
  const Tensor labels = Tensor::from<int32_t>({1, 0, -100}, {1, 3});
  const double expected = 0.25 * (std::log(4.) - std::log(3.) + std::log(4.));
  EXPECT_NEAR(language_loss(logits, labels, Tensor::from<float>({0.25f}, {1})).item(), expected, 1e-6);
  EXPECT_NEAR(language_accuracy(logits.value, labels).item(), 0.5, 1e-6);
}

TEST(MotionGpt, PublicWeightsKeepTheirRows) {
  T5Config small;
  small.vocabulary = 6, small.width = 4, small.feedforward = 6, small.heads = 1, small.head_width = 4;
  small.layers = small.decoder_layers = 1;
  T5Config large = small;
  large.vocabulary = 9;
  const T5 from(small);
  T5 to(large);
  take_public_weights(to, from, "FILE");
  for (const auto& [name, value] : from.state_dict())
    for (const auto& [other, tensor] : to.state_dict())
      if (name == other) {
        EXPECT_EQ(tensor.slice(0, 0, value.size(0)).contiguous().to_vector(), value.to_vector()) << name;
      }
  large.width = 8;
  T5 wider(large);
  EXPECT_NE(error_of(ErrorCode::input, [&] { take_public_weights(wider, from, "FILE"); }).find("width"),
            std::string::npos);
}

}  // namespace
}  // namespace kg
