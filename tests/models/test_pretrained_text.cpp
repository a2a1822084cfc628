// Text encoders with weights from files: folders of tiny ones, good and bad, and the sentence vectors of a real MiniLM.
#include "models/text/pretrained.h"

#include <cstdlib>
#include <sstream>

#include "data/formats/file.h"
#include "models/model_file.h"
#include "models/text/features.h"
#include "models/text/pooling.h"
#include "models/text/public_config.h"
#include "models/text/t5.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_text_models.h"

namespace kg {
namespace {

using test::TemporaryFolder;

const std::vector<std::string> kReadCaptions = {"a person walks forward.", "walks", "a man, a person walks and walks",
                                                "x"};

TEST(PretrainedText, ClipFeaturesAreThoseOfTheModel) {
  const TemporaryFolder folder;
  write_tiny_clip(folder.path());
  const auto text = open_text_encoder("clip:" + (folder.path() / "model.safetensors").string());
  EXPECT_EQ(text->width(), 12);
  EXPECT_TRUE(text->frozen());
  EXPECT_FALSE(text->training());
  ClipText model(tiny_clip_config());
  model.load_state_dict(read_safetensors(folder.path() / "model.safetensors").tensors, "tiny");
  // walks is one merge; start and end are the last two ids
  EXPECT_EQ(text->tokens("walks"), (std::vector<int>{516, 515, 517}));
  const Tensor ids = Tensor::from(std::vector<int32_t>{516, 515, 517}, {1, 3});
  const Var feature = text->encode({"walks"});
  EXPECT_FALSE(feature.requires_grad());
  EXPECT_EQ(feature.value.to_vector(), model(ids, clip_end(ids)).value.to_vector());
  EXPECT_EQ(open_text_encoder("clip:" + folder.path().string())->identity()["weights"], text->identity()["weights"]);
}

TEST(PretrainedText, BertFeaturesAreTheMeanOfItsStates) {
  for (const bool distil : {false, true}) {
    const TemporaryFolder folder;
    write_tiny_bert(folder.path(), distil);
    const auto text = open_text_encoder("bert:" + folder.path().string());
    EXPECT_EQ(text->width(), 16);
    EXPECT_EQ(text->tokens("A person walks"), (std::vector<int>{2, 5, 6, 8, 9, 3}));
    Bert model(tiny_bert_config(distil));
    model.load_state_dict(read_safetensors(folder.path() / "model.safetensors").tensors, "tiny");
    model.eval();
    const Tensor ids = Tensor::from(std::vector<int32_t>{2, 5, 6, 8, 9, 3}, {1, 6});
    const Var states = model.hidden(ids, Tensor::ones({1, 6}, Dtype::u8));
    EXPECT_LT(relative_error(text->encode({"A person walks"}).value, mean(states, {1}).value), 1e-6);
    const Tensor vectors = sentence_vectors(*text, {"a man jump", "a person walks"});
    EXPECT_LT(relative_error(vectors.slice(0, 1, 2), l2_normalize(mean(states, {1})).value), 1e-5);
  }
}

TEST(PretrainedText, StatesOfTokens) {
  const TemporaryFolder folder;
  write_tiny_bert(folder.path() / "bert", false);
  write_tiny_clip(folder.path() / "clip");
  const auto text = open_text_encoder("bert:" + (folder.path() / "bert").string());
  const std::vector<Tensor> states = text->token_states(kReadCaptions);
  ASSERT_EQ(states.size(), kReadCaptions.size());
  for (size_t i = 0; i < states.size(); ++i) {
    EXPECT_EQ(states[i].shape(), (Shape{int64_t(text->tokens(kReadCaptions[i]).size()), 16}));
    EXPECT_LT(relative_error(mean(states[i], {0}, true), text->encode({kReadCaptions[i]}).value), 1e-5);
  }
  const auto clip = open_text_encoder("clip:" + (folder.path() / "clip").string());
  const std::string error = error_of(ErrorCode::usage, [&] { clip->token_states(kReadCaptions); });
  EXPECT_NE(error.find("use bert:FILE"), std::string::npos) << error;
}

TEST(PretrainedText, BatchesOfAnyLengthGiveTheSameFeatures) {
  const TemporaryFolder folder;
  write_tiny_clip(folder.path() / "clip");
  write_tiny_bert(folder.path() / "bert", false);
  for (const char* kind : {"clip", "bert"}) {
    const auto text = open_text_encoder(kind + (":" + (folder.path() / kind).string()));
    for (const int64_t batch : {1, 2, 64}) {
      const Tensor all = encode_captions(*text, kReadCaptions, batch);
      for (size_t i = 0; i < kReadCaptions.size(); ++i)
        EXPECT_LT(relative_error(all.slice(0, int64_t(i), int64_t(i) + 1), text->encode({kReadCaptions[i]}).value),
                  1e-5);
    }
    EXPECT_EQ(text->prepare({"walks"}, 15).words.size(1), 15);
    EXPECT_LT(relative_error(text->encode(text->prepare({"walks"}, 15)).value, text->encode({"walks"}).value), 1e-5);
    EXPECT_EQ(encode_captions(*text, {}).numel(), 0);
  }
}

TEST(PretrainedText, LongCaptionsLoseTheirEnd) {
  const TemporaryFolder folder;
  write_tiny_clip(folder.path());
  const auto text = open_text_encoder("clip:" + folder.path().string());
  std::string caption;
  for (int i = 0; i < 100000; ++i) caption += "walks forward ";
  EXPECT_EQ(text->tokens(caption).size(), 24u);
  EXPECT_EQ(text->tokens(caption).back(), 517);
  EXPECT_EQ(text->encode({caption}).shape(), Shape({1, 12}));
}

TEST(PretrainedText, OtherWeightsHaveAnotherIdentity) {
  const TemporaryFolder folder;
  const auto identity = [&](const char* name, uint64_t seed) {
    write_tiny_bert(folder.path() / name, true, seed);
    return open_text_encoder("bert:" + (folder.path() / name).string())->identity();
  };
  const Json one = identity("one", 1), same = identity("same", 1), other = identity("other", 2);
  EXPECT_EQ(one["weights"], same["weights"]);
  EXPECT_NE(one["weights"], other["weights"]);
  EXPECT_EQ(one["vocabulary"], other["vocabulary"]);
  write_text(folder.path() / "vocab.txt",
             "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nman\nperson\nwalk\n##s\nforward\njump\n,\n.\n");
  const auto text = open_text_encoder("bert:" + (folder.path() / "one").string(), folder.path() / "vocab.txt");
  EXPECT_EQ(text->identity()["weights"], one["weights"]);
  EXPECT_NE(text->identity()["vocabulary"], one["vocabulary"]);
}

TEST(PretrainedText, WhatDoesNotFitIsSaid) {
  const TemporaryFolder folder;
  write_tiny_clip(folder.path() / "clip");
  write_tiny_bert(folder.path() / "bert", false);
  const std::string clip = (folder.path() / "clip").string(), bert = (folder.path() / "bert").string();
  const auto said = [](ErrorCode code, const std::string& source, const std::filesystem::path& vocabulary = {}) {
    return error_of(code, [&] { open_text_encoder(source, vocabulary); });
  };
  EXPECT_NE(said(ErrorCode::usage, "gpt:" + clip).find("clip:FILE"), std::string::npos);
  said(ErrorCode::usage, "clip");
  said(ErrorCode::usage, "clip:");
  said(ErrorCode::input, "clip:" + clip + "/none.safetensors");
  EXPECT_NE(said(ErrorCode::input, "clip:" + bert).find("no CLIP text encoder"), std::string::npos);
  EXPECT_NE(said(ErrorCode::input, "bert:" + clip).find("no BERT or DistilBERT"), std::string::npos);
  write_text(folder.path() / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
  EXPECT_NE(said(ErrorCode::input, "bert:" + bert, folder.path() / "vocab.txt").find("another model"),
            std::string::npos);
  write_text(folder.path() / "bert" / "config.json", R"({"num_attention_heads": 5})");
  EXPECT_NE(said(ErrorCode::input, "bert:" + bert).find("5 attention heads"), std::string::npos);
  write_text(folder.path() / "bert" / "config.json", R"({"num_attention_heads": "4"})");
  EXPECT_NE(said(ErrorCode::input, "bert:" + bert).find("num_attention_heads is"), std::string::npos);
  write_text(folder.path() / "bert" / "config.json", R"({"num_attention_heads": 4, "hidden_act": "mish"})");
  EXPECT_NE(said(ErrorCode::input, "bert:" + bert).find("mish"), std::string::npos);
  std::filesystem::remove(folder.path() / "bert" / "config.json");
  EXPECT_NE(said(ErrorCode::input, "bert:" + bert).find("config.json is missing"), std::string::npos);
}

TEST(PretrainedText, AT5ComesFromItsFolder) {
  const TemporaryFolder folder;
  T5Config config;
  config.vocabulary = 44, config.width = 16, config.feedforward = 20, config.heads = 2, config.head_width = 6;
  config.layers = config.decoder_layers = 2;
  default_generator() = {4, 0};
  const T5 model(config);
  write_safetensors(folder.path() / "model.safetensors", {model.state_dict(), {}});
  EXPECT_NE(error_of(ErrorCode::input, [&] { open_t5(folder.path()); }).find("config.json is missing"),
            std::string::npos);
  write_text(folder.path() / "config.json", R"({"tie_word_embeddings": false, "dropout_rate": 0.2})");
  const auto opened = open_t5(folder.path());
  EXPECT_EQ(opened->config().dropout, 0.2);
  EXPECT_FALSE(opened->config().tied);
  EXPECT_EQ(opened->state_dict().size(), model.state_dict().size());
  EXPECT_FALSE(opened->training());
}

// The folder that tests/golden/make_sentence_golden.py fills: a real model, captions and their vectors.
TEST(PretrainedText, SentenceVectorsOfARealMiniLm) {
  const char* folder = std::getenv("KINEGRAD_SENTENCE_MODEL");
  if (!folder)
    GTEST_SKIP() << "KINEGRAD_SENTENCE_MODEL is not set: run tests/golden/make_sentence_golden.py FOLDER, and set it "
                    "to that folder";
  const std::filesystem::path path = folder;
  std::vector<std::string> captions;
  std::istringstream lines(read_file(path / "captions.txt", 1 << 24));
  for (std::string line; std::getline(lines, line);) captions.push_back(line);
  ASSERT_EQ(captions.size(), 1000u);
  const auto text = open_text_encoder("bert:" + path.string());
  const TensorFile golden = read_safetensors(path / "vectors.golden");
  const double difference =
      max_abs_difference(sentence_vectors(*text, captions), golden.find("vectors")->to(Dtype::f32));
  std::printf("largest difference of an element: %.2g\n", difference);
  EXPECT_LT(difference, 1e-5);
}

}  // namespace
}  // namespace kg
