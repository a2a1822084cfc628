// The folder with the published evaluator: weights in its file's names, statistics, word vectors.
#include "data/formats/npy.h"
#include "data/formats/safetensors.h"
#include "models/evaluator/evaluator.h"
#include "tests/data/bad_input.h"
#include "tools/common/evaluate/embedder.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

namespace fs = std::filesystem;

// Random weights under the published names; the word list is the published one, its vectors are random.
class Published : public testing::Test {
 protected:
  void make(const fs::path& shared) {
    for (const char* name : {"our_vab_words.pkl", "our_vab_idx.pkl"})
      fs::copy_file(shared / "vocab" / name, folder_ / name);
    for (const char* name : {"mean", "std"})
      fs::copy_file(shared / "golden" / ("evaluator_t2m_" + std::string(name) + ".npy"),
                    folder_ / (std::string(name) + ".npy"));
    const Tensor vectors = Tensor::empty({6000, 300});
    fill_normal(vectors, 0, 1, {1, 2});
    write_npy(folder_ / "our_vab_data.npy", vectors);
    const WordVectors words = read_word_vectors(folder_.path());
    model_ = std::make_unique<Evaluator>(EvaluatorConfig{}, words.words, words.vectors);
    model_->eval();
    TensorFile file;
    for (const auto& [name, tensor] : model_->state_dict())
      if (!name.starts_with("word_vectors")) file.tensors.emplace_back(name, tensor);
    write_safetensors(folder_ / "finest.tar", file);
  }
  test::TemporaryFolder folder_;
  std::unique_ptr<Evaluator> model_;
};

TEST_F(Published, IsOpenedWithItsWordsAndStatistics) {
  const auto shared = shared_data();
  if (!shared) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  make(*shared);
  const Embedder embedder = open_embedder(folder_.path(), Device::cpu);
  EXPECT_TRUE(embedder.official);
  EXPECT_NE(embedder.name.find("the published one"), std::string::npos);
  EXPECT_EQ(embedder.statistics.std.shape(), (Shape{kFeatures}));
  const Tensor motion = Tensor::empty({2, 60, kFeatures});
  fill_normal(motion, 0, 1, {3, 4});
  EXPECT_EQ(embedder.motions(motion, {60, 44}).to_vector(), model_->embed_motion(motion, {60, 44}).to_vector());
  const std::vector<std::vector<std::string>> tokens = {{"a/DET", "man/NOUN", "walk/VERB"}};
  EXPECT_EQ(embedder.texts(tokens).to_vector(), model_->embed_text(tokens).to_vector());

  write_npy(folder_ / "std.npy", Tensor::ones({251}));
  EXPECT_NE(error_of(ErrorCode::input, [&] { open_embedder(folder_.path(), Device::cpu); }).find("std.npy: expected"),
            std::string::npos);
  fs::remove(folder_ / "our_vab_idx.pkl");
  EXPECT_NE(error_of(ErrorCode::input, [&] { open_embedder(folder_.path(), Device::cpu); }).find("our_vab_idx.pkl"),
            std::string::npos);
}

}  // namespace
}  // namespace kg
