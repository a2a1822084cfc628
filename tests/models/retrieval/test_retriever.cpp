// What all retrievers promise: features that depend on the item alone, checkpoints, identities, losses that fall, and
// errors that say what is wrong.
#include "models/retrieval/retriever.h"

#include <nlohmann/json.hpp>

#include "data/formats/checkpoint.h"
#include "models/retrieval/contrastive.h"
#include "models/retrieval/presets.h"
#include "models/text/pretrained.h"
#include "tests/models/retrieval/toys.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_text_models.h"

namespace kg {
namespace {

const std::vector<std::string> kCaptions = {"a person walks", "someone jumps up and down twice", "a man turns",
                                            "a person walks forward"};

std::unique_ptr<TextEncoder> words(uint64_t seed = 3) {
  default_generator() = {seed, 0};
  const WordTransformerConfig config{
      .width = 8, .layers = 1, .heads = 2, .feedforward = 8, .max_words = 12, .dropout = 0};
  return std::make_unique<WordTransformer>(WordVocabulary::build(kCaptions), config);
}
PartNetworkConfig toy_network() {
  PartNetworkConfig c;
  c.part = {.width = 4, .layers = 1, .heads = 2, .feedforward = 6, .dropout = 0};
  c.frames = 12, c.projection = 5, c.head_dropout = 0, c.pool = TextPool::mean;
  return c;
}
const char* const kKinds[] = {"tmr", "pltmr", "bmm"};

std::unique_ptr<Retriever> toy(const std::string& kind, const Skeleton& body = humanml3d(),
                               std::unique_ptr<TextEncoder> text = words()) {
  std::unique_ptr<Retriever> model;
  if (kind == "tmr") {
    TmrConfig c;
    c.network = {.width = 4, .layers = 1, .heads = 2, .feedforward = 6, .dropout = 0};
    c.frames = 20;
    model = std::make_unique<Tmr>(c, std::move(text), body);
  } else if (kind == "pltmr") {
    model = std::make_unique<PlTmr>(PlTmrConfig{toy_network(), true}, std::move(text), body);
  } else {
    BmmConfig c;
    c.network = toy_network();
    c.queue = 6, c.normalize = true;
    model = std::make_unique<Bmm>(c, std::move(text), body);
  }
  model->statistics = {normals({body.features()}, 8), Tensor::full({body.features()}, 2)};
  return model;
}
std::vector<Tensor> motions(int64_t features = 263) {
  return {normals({12, features}, 1), normals({7, features}, 2), normals({9, features}, 3), normals({1, features}, 4)};
}
void says(ErrorCode code, const std::function<void()>& call, const std::string& part) {
  const std::string text = error_of(code, call);
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Retriever, FeaturesHaveLengthOneAndDependOnTheItemAlone) {
  for (const char* kind : kKinds) {
    SCOPED_TRACE(kind);
    const auto model = toy(kind);
    model->train(false);
    const Tensor m = model->motion_features(motions()), t = model->text_features(kCaptions);
    for (const Tensor& rows : {m, t}) {
      ASSERT_EQ(rows.shape(), (Shape{4, model->width()}));
      for (int64_t i = 0; i < 4; ++i) EXPECT_NEAR(squared_norm(rows.select(0, i).contiguous()), 1, 1e-5);
    }
    for (int64_t i = 0; i < 4; ++i) {
      EXPECT_LT(max_abs_difference(model->motion_features({motions()[size_t(i)]}), m.slice(0, i, i + 1)), 1e-5) << i;
      EXPECT_LT(max_abs_difference(model->text_features({kCaptions[size_t(i)]}), t.slice(0, i, i + 1)), 1e-5) << i;
    }
    EXPECT_GT(max_abs_difference(m.slice(0, 0, 1), m.slice(0, 1, 2)), 1e-3);
    EXPECT_GT(max_abs_difference(t.slice(0, 0, 1), t.slice(0, 1, 2)), 1e-3);
    EXPECT_EQ(model->motion_features({}).shape(), (Shape{0, model->width()}));
  }
}

TEST(Retriever, PartsReadTheFirstFramesOfALongMotion) {
  const auto model = toy("pltmr");
  model->train(false);
  const Tensor longer = normals({40, 263}, 5);
  EXPECT_EQ(model->motion_features({longer}).to_vector(),
            model->motion_features({longer.slice(0, 0, 12).contiguous()}).to_vector());
}

TEST(Retriever, FileGivesTheSameFeatures) {
  test::TemporaryFolder folder;
  for (const char* kind : kKinds) {
    SCOPED_TRACE(kind);
    const auto model = toy(kind, kit_ml());
    model->train(false);
    write_checkpoint(folder / "m.safetensors", model->kind(), model->save());
    const auto same = open_retriever(folder / "m.safetensors");
    EXPECT_STREQ(same->kind(), kind);
    EXPECT_EQ(same->skeleton(), kit_ml());
    EXPECT_EQ(same->motion_features(motions(251)).to_vector(), model->motion_features(motions(251)).to_vector());
    EXPECT_EQ(same->text_features(kCaptions).to_vector(), model->text_features(kCaptions).to_vector());
    EXPECT_EQ(same->identity(), model->identity());
    EXPECT_TRUE(model->identity().starts_with(std::string(kind) + "-"));
    same->statistics.mean = normals({251}, 9);
    EXPECT_NE(same->identity(), model->identity());
    EXPECT_NE(toy(kind, kit_ml(), words(4))->identity(), model->identity());
  }
}

// With DistilBERT's own tokens: trained on, it is kept in the file; frozen, the file names it.
TEST(Retriever, TextEncodersWithPublicWeights) {
  test::TemporaryFolder folder;
  write_tiny_bert(folder / "bert", true);
  std::string identities[2];
  for (const bool trained : {false, true}) {
    SCOPED_TRACE(trained);
    auto text = open_text_encoder("bert:" + (folder / "bert").string());
    text->set_trainable(trained);
    PlTmrConfig config{toy_network(), true};
    config.network.pool = TextPool::first;
    PlTmr model(config, std::move(text));
    model.statistics = {Tensor::zeros({263}), Tensor::ones({263})};
    EXPECT_EQ(model.groups(0, 0.1).size(), trained ? 2u : 1u);
    model.train(false);
    write_checkpoint(folder / "m.safetensors", model.kind(), model.save());
    const auto same = open_retriever(folder / "m.safetensors");
    EXPECT_EQ(same->text_features(kCaptions).to_vector(), model.text_features(kCaptions).to_vector());
    EXPECT_EQ(same->identity(), model.identity());
    if (trained) continue;
    std::filesystem::copy(folder / "bert", folder / "moved", std::filesystem::copy_options::recursive);
    const auto moved = open_retriever(folder / "m.safetensors", {"bert:" + (folder / "moved").string(), ""});
    EXPECT_EQ(moved->identity(), model.identity());  // not where it lies
  }
}

TEST(Retriever, LossFallsOnOneBatch) {
  for (const char* kind : kKinds) {
    SCOPED_TRACE(kind);
    const auto model = toy(kind);
    auto* bmm = dynamic_cast<Bmm*>(model.get());
    if (bmm) bmm->start(words());
    RetrievalBatch batch;
    batch.motion = model->prepare(motions());
    batch.text = model->text->prepare(kCaptions);
    batch.targets = places(4);
    AdamOptions options;
    options.lr = 5e-3;
    AdamW optimizer(model->groups(0, 1), options);
    double first = 0, last = 0;
    for (int step = 0; step < 80; ++step) {
      model->before_step();
      optimizer.zero_grad();
      const LossTerms terms = model->loss(batch);
      const Var& aim = std::string(kind) == "tmr" ? terms.back().second : terms[0].second;  // InfoNCE
      backward(terms[0].second);
      optimizer.step();
      if (bmm == nullptr || step < 2) model->after_step();
      last = aim.item();
      if (step == 0) first = last;
    }
    EXPECT_LT(last, 0.5 * first);
  }
}

TEST(Retriever, BadInput) {
  const auto model = toy("tmr"), parts = toy("pltmr");
  EXPECT_THROW(model->motion_features(motions()), Error);  // still training
  EXPECT_THROW(model->text_features(kCaptions), Error);
  model->train(false);
  const auto input = ErrorCode::input;
  says(
      input, [&] { model->motion_features(motions(251)); }, "motion 0 must be (frames, 263)");
  says(
      input,
      [&] {
        model->motion_features({normals({0, 263}, 1)});
      },
      "motion 0 must be");
  says(
      input,
      [&] {
        model->motion_features({normals({5, 263}, 1), normals({21, 263}, 1)});
      },
      "motion 1 has 21 frames, the model reads at most 20");
  EXPECT_THROW(toy("tmr", humanml3d(), nullptr), Error);
  EXPECT_THROW(model->prepare({}), Error);
  model->statistics = {};
  EXPECT_THROW(model->motion_features(motions()), Error);
  EXPECT_THROW(tmr_preset("huge"), Error);
  EXPECT_THROW(pltmr_preset("huge"), Error);
  EXPECT_THROW(bmm_preset("huge"), Error);
}

TEST(Retriever, FilesOfSomethingElse) {
  test::TemporaryFolder folder;
  const auto input = ErrorCode::input;
  write_checkpoint(folder / "gpt.safetensors", "t2m_gpt", toy("tmr")->save());
  says(
      input, [&] { open_retriever(folder / "gpt.safetensors"); }, "expected a retriever (tmr, pltmr or bmm)");
  write_checkpoint(folder / "other.safetensors", "bmm", toy("pltmr")->save());
  says(
      input, [&] { open_retriever(folder / "other.safetensors"); }, "model configuration lacks bmm");
  const TensorFile file = toy("pltmr")->save();
  says(
      input, [&] { toy("tmr")->load(file, "run"); }, "model configuration lacks tmr");
  PlTmrConfig wider{toy_network(), true};
  wider.network.projection = 6;
  says(
      input, [&] { PlTmr(wider, words()).load(file, "run"); }, "of another model or preset");
  const auto moved = toy("pltmr");
  moved->statistics.mean = normals({263}, 77);
  says(
      input, [&] { moved->load(file, "run"); }, "other statistics");
  TensorFile damaged = file;
  damaged.tensors.erase(damaged.tensors.begin());
  says(
      input, [&] { toy("pltmr")->load(damaged, "run"); }, "run");
}

TEST(Retriever, OnlyBertsFirstStateStandsForTheSentence) {
  EXPECT_EQ(pool_for({"bert:distilbert", ""}), TextPool::first);
  for (const char* source : {"", "builtin", "clip:ViT-B-32.pt"}) EXPECT_EQ(pool_for({source, ""}), TextPool::mean);
}

TEST(Retriever, PaperRatesEndAtHalf) {
  for (const Schedule& s : {pltmr_preset("paper").training.schedule, bmm_preset("paper").training.schedule}) {
    EXPECT_DOUBLE_EQ(s.at(0, 1000), 1e-4);
    EXPECT_NEAR(s.at(500, 1000), 1e-4 * (1 + std::sqrt(0.5)) / 2, 1e-12);
    EXPECT_NEAR(s.at(1000, 1000), 5e-5, 1e-12);
  }
  EXPECT_EQ(pltmr_preset("paper", kit_ml()).training.schedule.lr, 1e-5);
  EXPECT_EQ(pltmr_preset("paper", kit_ml()).model.network.head_dropout, 0);
  EXPECT_EQ(tmr_preset("paper").filter, 0.8);
}

}  // namespace
}  // namespace kg
