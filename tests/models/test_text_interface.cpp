// What every text encoder is to its users: states with masks, notes, checkpoints of the built-in one, of frozen and of
// trainable pretrained ones, and what makes an encoder another one.
#include "autograd/var.h"
#include "data/formats/file.h"
#include "models/model_file.h"
#include "models/text/pooling.h"
#include "models/text/pretrained.h"
#include "models/text/stored_text.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_text_models.h"

namespace kg {
namespace {

using test::TemporaryFolder;

const std::vector<std::string> kEncodedCaptions = {"a person walks forward.", "walks", "a man, a person walks"};

// A folder with clip/ and bert/ (DistilBERT), and each encoder opened.
class TextInterface : public testing::Test {
 protected:
  TextInterface() {
    write_tiny_clip(folder_ / "clip");
    write_tiny_bert(folder_ / "bert", true);
  }
  std::string source(const std::string& kind) const { return kind + ":" + (folder_ / kind).string(); }
  std::unique_ptr<TextEncoder> make(const std::string& kind) const {
    TextEncoderChoice choice;
    choice.source = kind == "builtin" ? kind : source(kind);
    default_generator() = {5, 0};
    auto text = make_text_encoder(choice, {.width = 16, .layers = 1, .heads = 2, .feedforward = 24}, kEncodedCaptions);
    if (kind == "builtin") text->eval();
    return text;
  }
  static TensorFile saved(const TextEncoder& text) {
    TensorFile file;
    text.save(file);
    file.metadata["model"] = Json{{"text", text.identity()}}.dump();
    return file;
  }
  // What loading into `text` says of a checkpoint whose entry is `stored`.
  static std::string refused(TextEncoder& text, const Json& stored) {
    TensorFile file = saved(text);
    file.metadata["model"] = Json{{"text", stored}}.dump();
    return error_of(ErrorCode::input, [&] { text.load(file, "gpt.st"); });
  }
  TemporaryFolder folder_;
};

TEST_F(TextInterface, StatesOfACaptionAreThoseItHasAlone) {
  for (const char* kind : {"builtin", "clip", "bert"}) {
    const auto text = make(kind);
    const TextBatch batch = text->prepare(kEncodedCaptions, 18);
    const Tensor states = text->states(batch).value;
    ASSERT_EQ(states.shape(), (Shape{3, 18, text->state_width()})) << kind;
    ASSERT_EQ(batch.mask.shape(), (Shape{3, 18}));
    for (size_t i = 0; i < kEncodedCaptions.size(); ++i) {
      const int64_t n = int64_t(text->tokens(kEncodedCaptions[i]).size());
      std::vector<double> mask(18, 0);
      std::fill_n(mask.begin(), n, 1);
      EXPECT_EQ(batch.mask.select(0, int64_t(i)).to_vector(), mask) << kind;
      const Tensor alone = text->states(text->prepare({kEncodedCaptions[i]})).value;
      ASSERT_EQ(alone.size(1), n);
      EXPECT_LT(relative_error(states.select(0, int64_t(i)).slice(0, 0, n), alone.select(0, 0)), 1e-5) << kind;
    }
    const Tensor pooled = text->pooled(text->states(batch), batch).value;
    EXPECT_EQ(pooled.shape(), (Shape{3, text->width()}));
    EXPECT_LT(relative_error(pooled, text->encode(kEncodedCaptions).value), 1e-5) << kind;
  }
}

TEST_F(TextInterface, WidthsAndSizes) {
  const auto clip = make("clip"), bert = make("bert"), words = make("builtin");
  EXPECT_EQ(clip->width(), 12);
  EXPECT_EQ(clip->state_width(), 64);
  EXPECT_EQ(clip->max_tokens(), 24);
  EXPECT_EQ(bert->state_width(), 16);
  EXPECT_EQ(bert->max_tokens(), 20);
  EXPECT_EQ(bert->vocabulary_size(), 14);
  EXPECT_EQ(words->state_width(), 16);
  EXPECT_EQ(words->max_tokens(), 40);
  EXPECT_FALSE(words->frozen());
  EXPECT_TRUE(clip->frozen());
  error_of(ErrorCode::runtime, [&] { words->set_trainable(false); });
  words->set_trainable(true);
}

TEST_F(TextInterface, NotesNameWhatIsNotRead) {
  using Lines = std::vector<std::string>;
  std::string longer;
  for (int i = 0; i < 50; ++i) longer += "walks ";
  EXPECT_EQ(make("builtin")->notes({"a person walks", "a robot walks", longer}),
            (Lines{"\"a robot walks\": the model has never seen: robot",
                   "a prompt has 50 words; the model reads the first 40"}));
  EXPECT_EQ(make("clip")->notes({"a robot \u00e7a", longer}),
            Lines{"a prompt has 52 tokens; the text encoder reads the first 24"});
  EXPECT_EQ(make("bert")->notes({"a person walks", "a Robot walks", longer}),
            (Lines{"\"a Robot walks\": the text encoder does not know: robot",
                   "a prompt has 102 tokens; the text encoder reads the first 20"}));
}

TEST_F(TextInterface, TheBuiltInOneComesBackFromItsCheckpoint) {
  const auto text = make("builtin");
  const TensorFile file = saved(*text);
  EXPECT_TRUE(file.find("text.words.weight"));
  EXPECT_EQ(file.metadata.at("vocabulary").substr(0, 8), "a\nwalks\n");
  const auto again = open_stored_text(file, {}, "gpt.st");
  again->eval();
  EXPECT_EQ(again->encode(kEncodedCaptions).value.to_vector(), text->encode(kEncodedCaptions).value.to_vector());
  TextEncoderChoice other;
  other.source = source("clip");
  EXPECT_NE(error_of(ErrorCode::input, [&] { open_stored_text(file, other, "gpt.st"); }).find("leave away"),
            std::string::npos);

  TextEncoderChoice builtin;
  const WordTransformerConfig wider{.width = 32, .layers = 1, .heads = 2, .feedforward = 24};
  EXPECT_NE(
      error_of(ErrorCode::input, [&] { make_text_encoder(builtin, wider, kEncodedCaptions)->load(file, "gpt.st"); })
          .find("another model or preset"),
      std::string::npos);
  const WordTransformerConfig same{.width = 16, .layers = 1, .heads = 2, .feedforward = 24};
  EXPECT_NE(error_of(ErrorCode::input, [&] { make_text_encoder(builtin, same, {"a robot"})->load(file, "gpt.st"); })
                .find("hold other words"),
            std::string::npos);
}

TEST_F(TextInterface, AFrozenOneIsOnlyRemembered) {
  const auto text = make("bert");
  const TensorFile file = saved(*text);
  EXPECT_TRUE(file.tensors.empty());
  EXPECT_FALSE(file.metadata.contains("vocabulary"));
  const auto again = open_stored_text(file, {}, "gpt.st");
  EXPECT_TRUE(again->frozen());
  EXPECT_EQ(again->encode(kEncodedCaptions).value.to_vector(), text->encode(kEncodedCaptions).value.to_vector());
  again->load(file, "gpt.st");
  EXPECT_NE(error_of(ErrorCode::input, [&] { make("clip")->load(file, "gpt.st"); }).find("kind bert"),
            std::string::npos);
  EXPECT_NE(error_of(ErrorCode::input, [&] { make("builtin")->load(file, "gpt.st"); }).find("another model"),
            std::string::npos);
  EXPECT_NE(
      error_of(ErrorCode::input, [&] { make("bert")->load(saved(*make("builtin")), "gpt.st"); }).find("another model"),
      std::string::npos);
}

TEST_F(TextInterface, GradientsReachATrainableOneAndNotAFrozenOne) {
  for (const char* kind : {"clip", "bert"}) {
    const auto text = make(kind);
    EXPECT_FALSE(text->encode(kEncodedCaptions).requires_grad());
    text->set_trainable(true);
    EXPECT_FALSE(text->frozen());
    backward(sum(square(text->encode(kEncodedCaptions))));
    for (const auto& [name, parameter] : text->named_parameters()) {
      ASSERT_TRUE(parameter->grad().defined()) << kind << " " << name;
      const bool unseen = name.ends_with("k_proj.bias") || name.ends_with("k_lin.bias");  // a softmax does not see it
      EXPECT_TRUE(unseen || squared_norm(parameter->grad()) > 0) << kind << " " << name;
    }
    text->train();
    text->set_trainable(false);
    EXPECT_FALSE(text->training());
    EXPECT_FALSE(text->encode(kEncodedCaptions).requires_grad());
  }
}

TEST_F(TextInterface, ATrainableOneIsWholeInItsCheckpoint) {
  for (const std::string kind : {"clip", "bert"}) {
    const auto text = make(kind);
    text->set_trainable(true);
    for (const auto& [name, parameter] : text->named_parameters())
      parameter->value.copy_from(add(parameter->value, parameter->value));
    const std::vector<double> features = text->encode(kEncodedCaptions).value.to_vector();
    EXPECT_NE(features, make(kind)->encode(kEncodedCaptions).value.to_vector());
    const TensorFile file = saved(*text);

    const auto resumed = make(kind);  // from the original weights, which a run has at hand
    EXPECT_NE(error_of(ErrorCode::input, [&] { resumed->load(file, "gpt.st"); }).find("trained on, here it is frozen"),
              std::string::npos);
    resumed->set_trainable(true);
    resumed->load(file, "gpt.st");
    EXPECT_EQ(resumed->encode(kEncodedCaptions).value.to_vector(), features);

    const std::filesystem::path away = folder_ / (kind + "_away");
    std::filesystem::rename(folder_ / kind, away);
    const auto again = open_stored_text(file, {}, "gpt.st");
    again->eval();
    EXPECT_FALSE(again->frozen());
    EXPECT_EQ(again->encode(kEncodedCaptions).value.to_vector(), features);
    EXPECT_EQ(saved(*again).metadata, file.metadata);
    TextEncoderChoice given;
    given.source = kind + ":" + away.string();
    EXPECT_NE(error_of(ErrorCode::input, [&] { open_stored_text(file, given, "gpt.st"); }).find("leave away"),
              std::string::npos);
  }
}

TEST_F(TextInterface, DamagedCheckpointsOfATrainableOneAreRefused) {
  const auto text = make("bert");
  text->set_trainable(true);
  const TensorFile whole = saved(*text);
  const auto said = [&](auto change) {
    TensorFile file = whole;
    Json model = Json::parse(file.metadata["model"]);
    change(file, model["text"]);
    file.metadata["model"] = model.dump();
    return error_of(ErrorCode::input, [&] { open_stored_text(file, {}, "gpt.st"); });
  };
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(said([](TensorFile& f, Json&) { f.metadata.erase("vocabulary"); }), "the vocabulary is missing");
  has(said([](TensorFile& f, Json&) { f.metadata["vocabulary"] = "[["; }), "vocabulary cannot be read");
  has(said([](TensorFile& f, Json&) { f.metadata["vocabulary"] = "[]"; }), "without a file");
  has(said([](TensorFile& f, Json&) { f.metadata["vocabulary"] = R"([["vocab.txt"]])"; }), "vocabulary cannot be read");
  has(said([](TensorFile& f, Json&) { f.tensors.pop_back(); }), "output_layer_norm.bias");
  has(said([](TensorFile&, Json& j) { j["kind"] = "t5"; }), "of the kind \"t5\"");
  has(said([](TensorFile&, Json& j) { j.erase("configuration"); }), "lacks configuration");
  has(said([](TensorFile&, Json& j) { j["configuration"]["heads"] = 0; }), "heads = 0");
  has(said([](TensorFile&, Json& j) { j["configuration"]["activation"] = "mish"; }), "mish");
}

TEST_F(TextInterface, OtherSettingsMakeAnotherEncoder) {
  const Json before = make("bert")->identity();
  write_text(folder_ / "bert" / "config.json", R"({"n_heads": 2, "activation": "gelu"})");
  EXPECT_NE(refused(*make("bert"), before).find("another text encoder: configuration heads 4"), std::string::npos);
  write_text(folder_ / "bert" / "config.json", R"({"n_heads": 4, "activation": "relu"})");
  EXPECT_NE(refused(*make("bert"), before).find("configuration activation gelu"), std::string::npos);
  write_text(folder_ / "bert" / "config.json", R"({"n_heads": 4, "activation": "gelu", "layer_norm_eps": 1e-5})");
  EXPECT_NE(refused(*make("bert"), before).find("configuration eps 1e-12"), std::string::npos);
  write_text(folder_ / "bert" / "config.json", R"({"n_heads": 4, "activation": "gelu", "dropout": 0.3})");
  EXPECT_EQ(make("bert")->identity(), before) << "a frozen one has no dropout";
  for (const char* setting :
       {"\"do_lower_case\": false", "\"tokenize_chinese_chars\": false", "\"strip_accents\": false"}) {
    write_text(folder_ / "bert" / "tokenizer_config.json", std::string("{") + setting + "}");
    const auto text = make("bert");
    EXPECT_EQ(text->identity()["weights"], before["weights"]);
    EXPECT_NE(refused(*text, before).find("another text encoder: "), std::string::npos) << setting;
  }

  const Json clip = make("clip")->identity();
  write_text(folder_ / "clip" / "config.json", R"({"text_config": {"hidden_act": "gelu"}})");
  EXPECT_NE(refused(*make("clip"), clip).find("configuration activation quick_gelu"), std::string::npos);
}

TEST_F(TextInterface, CheckpointsOfEarlierVersionsAreComparedInWhatTheyHave) {
  for (const char* kind : {"clip", "bert"}) {
    const auto text = make(kind);
    Json old = text->identity();
    old.erase("configuration"), old.erase("tokenizer");
    TensorFile file;
    file.metadata["model"] = Json{{"text", old}}.dump();
    text->load(file, "gpt.st");
    EXPECT_EQ(open_stored_text(file, {}, "gpt.st")->identity(), text->identity());
    old["weights"] = "0123456789abcdef";
    EXPECT_NE(refused(*text, old).find("another text encoder: weights 0123456789abcdef"), std::string::npos);
    old.erase("weights");
    EXPECT_NE(refused(*text, old).find("lacks weights"), std::string::npos);
  }
}

}  // namespace
}  // namespace kg
