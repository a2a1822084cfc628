// Features and states of captions kept on disk, what is said of files that are damaged or of something else, and what
// a training step reads of its captions.
#include "models/text/features.h"

#include "data/formats/checkpoint.h"
#include "data/formats/file.h"
#include "models/text/pretrained.h"
#include "models/text/word_transformer.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_text_models.h"

namespace kg {
namespace {

using test::TemporaryFolder;

const std::vector<std::string> kCachedCaptions = {"a person walks forward.", "walks", "a man, a person walks", "x"};

class TextFeatures : public testing::Test {
 protected:
  TextFeatures() {
    write_tiny_clip(folder_ / "clip");
    write_tiny_bert(folder_ / "bert", false);
  }
  std::unique_ptr<PretrainedText> open(const std::string& kind) const {
    return open_text_encoder(kind + ":" + (folder_ / kind).string());
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    if (std::filesystem::exists(cache()))
      for (const auto& entry : std::filesystem::directory_iterator(cache())) found.push_back(entry.path());
    return found;
  }
  std::filesystem::path cache() const { return folder_ / "deep" / "kept"; }
  Say say() {
    return [this](const std::string& line) { said_.push_back(line); };
  }
  TemporaryFolder folder_;
  std::vector<std::string> said_;
};

TEST_F(TextFeatures, StatesAreKeptWithoutTheirPads) {
  for (const char* kind : {"clip", "bert"}) {
    const auto text = open(kind);
    const CaptionStates made = cached_states(*text, kCachedCaptions, cache(), say());
    ASSERT_EQ(made.offsets.size(), 5u);
    EXPECT_EQ(made.states.dtype(), Dtype::bf16);
    for (size_t i = 0; i < kCachedCaptions.size(); ++i) {
      const int64_t begin = made.offsets[i], end = made.offsets[i + 1];
      ASSERT_EQ(size_t(end - begin), text->tokens(kCachedCaptions[i]).size());
      const Tensor alone = text->states(text->prepare({kCachedCaptions[i]})).value.select(0, 0);
      EXPECT_LT(relative_error(made.states.slice(0, begin, end).to(Dtype::f32), alone), 0.005) << kind;
    }
    const CaptionStates kept = cached_states(*text, kCachedCaptions, cache(), say());
    EXPECT_EQ(kept.states.to_vector(), made.states.to_vector());
    EXPECT_EQ(kept.offsets, made.offsets);
  }
  ASSERT_EQ(said_.size(), 4u);
  EXPECT_NE(said_[0].find("4 captions in 0 s, kept in "), std::string::npos) << said_[0];
  EXPECT_NE(said_[1].find("text features: " + (cache() / "clip-").string()), std::string::npos) << said_[1];
}

TEST_F(TextFeatures, AnythingElseHasAFileOfItsOwn) {
  cached_features(*open("bert"), kCachedCaptions, cache());
  cached_features(*open("bert"), kCachedCaptions, cache());
  EXPECT_EQ(files().size(), 1u);
  cached_states(*open("bert"), kCachedCaptions, cache());
  EXPECT_EQ(files().size(), 2u);
  cached_features(*open("bert"), {"walks"}, cache());
  EXPECT_EQ(files().size(), 3u);
  write_text(folder_ / "bert" / "config.json", R"({"num_attention_heads": 2})");
  cached_features(*open("bert"), kCachedCaptions, cache());
  EXPECT_EQ(files().size(), 4u);
  write_text(folder_ / "bert" / "tokenizer_config.json", R"({"tokenize_chinese_chars": false})");
  cached_features(*open("bert"), kCachedCaptions, cache());
  EXPECT_EQ(files().size(), 5u);
  std::filesystem::rename(folder_ / "bert", folder_ / "moved");
  cached_features(*open_text_encoder("bert:" + (folder_ / "moved").string()), kCachedCaptions, cache());
  EXPECT_EQ(files().size(), 5u);
}

TEST_F(TextFeatures, DamagedAndForeignFilesAreRefused) {
  const auto text = open("bert");
  const CaptionStates good = cached_states(*text, kCachedCaptions, cache());
  ASSERT_EQ(files().size(), 1u);
  const std::filesystem::path path = files()[0];
  const auto said = [&] { return error_of(ErrorCode::input, [&] { cached_states(*text, kCachedCaptions, cache()); }); };
  const auto offsets = [](std::vector<int32_t> values) { return Tensor::from(values, {int64_t(values.size())}); };
  const auto refused = [&](const Tensor& states, const Tensor& offsets, const char* part) {
    write_checkpoint(path, "text_states", {{{"states", states}, {"offsets", offsets}}, {}});
    const std::string error = said();
    EXPECT_NE(error.find(part), std::string::npos) << error;
    EXPECT_NE(error.find(path.string()), std::string::npos) << error;
    EXPECT_NE(error.find("remove it"), std::string::npos) << error;
  };
  std::string bytes = read_file(path, 1 << 20);
  bytes.back() = char(bytes.back() ^ 1);
  write_file_atomically(path, bytes);
  EXPECT_NE(said().find("is damaged"), std::string::npos);
  refused(good.states.slice(1, 0, 8).contiguous(), offsets(good.offsets), "no states of 4 captions, 16 wide");
  refused(good.states.to(Dtype::f32), offsets(good.offsets), "no states of 4 captions");
  refused(good.states, offsets({0, 1}), "no states of 4 captions");
  auto shifted = good.offsets;
  ++shifted[1];
  refused(good.states, offsets(shifted), "tokens of \"a person walks forward.\"");
  for (int32_t& offset : shifted = good.offsets) offset += 1;
  refused(good.states, offsets(shifted), "tokens of");
  refused(good.states.slice(0, 0, 3).contiguous(), offsets(good.offsets), "holds 3 states");
  write_checkpoint(path, "text_features", {{{"states", good.states}, {"offsets", offsets(good.offsets)}}, {}});
  EXPECT_NE(said().find("expected a text_states"), std::string::npos);
  write_checkpoint(path, "text_states", {});
  EXPECT_NE(said().find("no states of 4 captions"), std::string::npos);
}

TEST_F(TextFeatures, AStepReadsStatesAndTheirMask) {
  using Kind = TextCondition::Kind;
  for (const bool trainable : {false, true}) {
    const auto text = open("bert");
    text->set_trainable(trainable);
    text->eval();
    const TextCondition condition(*text, kCachedCaptions, Device::cpu, cache(), Kind::states);
    const std::vector<Tensor> in = condition.inputs({kCachedCaptions[1], kCachedCaptions[0]}, Dtype::f32);
    ASSERT_EQ(in.size(), condition.input_count());
    const TextBatch batch = text->prepare({kCachedCaptions[1], kCachedCaptions[0]});
    const Tensor mask = condition.mask(in.data());
    EXPECT_EQ(mask.to_vector(), batch.mask.to_vector());
    const Var states = condition(in.data());
    EXPECT_EQ(states.requires_grad(), trainable);
    const Tensor real = mask.to(Dtype::f32).unsqueeze(2), want = text->states(batch).value;
    EXPECT_LT(relative_error(mul(states.value, real), mul(want, real)), trainable ? 1e-7 : 0.005);
    if (trainable) continue;
    EXPECT_EQ(squared_norm(states.value), squared_norm(mul(states.value, real))) << "pads are zero";
  }
}

TEST_F(TextFeatures, AStepReadsPooledFeatures) {
  const auto text = open("clip");
  const TextCondition condition(*text, kCachedCaptions, Device::cpu, cache());
  const std::vector<Tensor> in = condition.inputs({"walks", "walks", "x"}, Dtype::f32);
  ASSERT_EQ(in.size(), 1u);
  EXPECT_EQ(condition.input_count(), 1u);
  EXPECT_LT(relative_error(condition(in.data()).value, text->encode({"walks", "walks", "x"}).value), 1e-5);
  EXPECT_NE(error_of(ErrorCode::runtime, [&] { condition.inputs({"runs"}, Dtype::f32); }).find("\"runs\" is none of"),
            std::string::npos);
  error_of(ErrorCode::runtime, [&] { condition.mask(in.data()); });

  const WordTransformer words(WordVocabulary::build(kCachedCaptions), {.width = 8, .layers = 1, .heads = 1});
  const TextCondition trained(words, kCachedCaptions, Device::cpu, cache());
  EXPECT_EQ(trained.inputs({"walks"}, Dtype::f32).size(), trained.input_count());
  error_of(ErrorCode::runtime, [&] { cached_features(words, kCachedCaptions, cache()); });
}

}  // namespace
}  // namespace kg
