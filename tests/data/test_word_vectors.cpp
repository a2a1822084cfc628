// Words as the evaluators read them: classes, ids, padding; vocabularies that are built, stored, read; what is refused.
#include "data/text/word_vectors.h"

#include <gtest/gtest.h>

#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

using Words = std::vector<std::string>;

EvaluatorWords some_words() { return {{"sos", "eos", "unk", "a", "man", "walk", "left", "run"}, "the test"}; }

TEST(WordClasses, TagsAndLists) {
  EXPECT_EQ(word_class("VERB"), 0);
  EXPECT_EQ(word_class("ADV"), 8);
  for (const char* tag : {"OTHER", "PROPN", "SCONJ", "verb", ""}) EXPECT_EQ(word_class(tag), 14) << tag;
  EXPECT_EQ(special_class("clockwise"), 9);
  EXPECT_EQ(special_class("thigh"), 10);
  EXPECT_EQ(special_class("basketball"), 11);
  EXPECT_EQ(special_class("climb"), 12);
  EXPECT_EQ(special_class("sadly"), 13);
  EXPECT_EQ(special_class("walks"), -1);
  EXPECT_EQ(special_class(""), -1);
}

TEST(EvaluatorWords, EncodesASentence) {
  const Sentence s = some_words().encode({"a/DET", "man/NOUN", "walk/NOUN", "left/VERB", "sleepily/ADV", "kick/VERB"});
  EXPECT_EQ(s.length, 8);
  std::array<int32_t, kSentence> words, classes;
  words.fill(2), classes.fill(14);
  // Classes of lists win over tags, and a word that is not known is unk, whatever its tag or list.
  const int32_t ids[] = {0, 3, 4, 5, 6, 2, 2, 1}, tags[] = {14, 2, 1, 12, 9, 14, 14, 14};
  std::copy(std::begin(ids), std::end(ids), words.begin());
  std::copy(std::begin(tags), std::end(tags), classes.begin());
  EXPECT_EQ(s.words, words);
  EXPECT_EQ(s.classes, classes);
}

TEST(EvaluatorWords, CropsAndTakesNoWords) {
  const Sentence full = some_words().encode(Words(30, "run/VERB")), none = some_words().encode({});
  EXPECT_EQ(full.length, 22);
  EXPECT_EQ(full.words[0], 0);
  EXPECT_EQ(full.words[20], 7);
  EXPECT_EQ(full.words[21], 1);
  EXPECT_EQ(none.length, 2);
  EXPECT_EQ(none.words[1], 1);
  EXPECT_EQ(some_words().encode({"a/b/DET"}).words[1], 2);  // the last slash divides
}

TEST(EvaluatorWords, BuildsByCountThenAlphabetAndStores) {
  const std::vector<Words> captions = {
      {"b/NOUN", "c/VERB", "unk/X"}, {"c/NOUN", "a/DET", "b/NOUN"}, {"d/NUM", "c/VERB"}};
  const EvaluatorWords words = EvaluatorWords::build(captions, 2);
  EXPECT_EQ(words.words(), (Words{"sos", "eos", "unk", "c", "b"}));
  EXPECT_EQ(EvaluatorWords::build(captions, 1).words(), (Words{"sos", "eos", "unk", "c", "b", "a", "d"}));
  EXPECT_EQ(EvaluatorWords::from_string(words.to_string(), "file").words(), words.words());
}

TEST(EvaluatorWords, BadInput) {
  EXPECT_NE(input_error([] {
              EvaluatorWords({"sos", "eos", "walk"}, "words.pkl");
            }).find("words.pkl: the vocabulary lacks \"unk\""),
            std::string::npos);
  EXPECT_NE(input_error([] {
              EvaluatorWords({"sos", "eos", "unk", "sos"}, "w");
            }).find("\"sos\" is there twice"),
            std::string::npos);
  EXPECT_NE(input_error([] { some_words().encode({"walk"}); }).find("\"walk\" is not of the form word/POS"),
            std::string::npos);
}

// Text pickles: a list of words, and a dict of their rows in another order.
void write_vocabulary(const std::filesystem::path& folder, const Tensor& rows, const std::string& unknown = "unk") {
  write_npy(folder / "our_vab_data.npy", rows);
  write_file_atomically(folder / "our_vab_words.pkl", "(lVsos\naVeos\naV" + unknown + "\naVwalk\na.");
  write_file_atomically(folder / "our_vab_idx.pkl", "(dVsos\nI3\nsVeos\nI0\nsVunk\nI1\nsVwalk\nI2\ns.");
}

TEST(WordVectors, AreTakenByTheIndex) {
  const TemporaryFolder folder;
  const Tensor rows = Tensor::zeros({4, 300}, Dtype::f64);
  for (int64_t i = 0; i < 4; ++i) rows.select(0, i).fill(double(i));
  write_vocabulary(folder.path(), rows);
  const WordVectors read = read_word_vectors(folder.path());
  EXPECT_EQ(read.words.words(), (Words{"sos", "eos", "unk", "walk"}));
  EXPECT_EQ(read.vectors.shape(), (Shape{4, 300}));
  EXPECT_EQ(read.vectors.dtype(), Dtype::f32);
  EXPECT_EQ(read.vectors.select(1, 299).to_vector(), (std::vector<double>{3, 0, 1, 2}));
}

TEST(WordVectors, BadFiles) {
  const TemporaryFolder folder;
  const auto says = [&](const std::string& part) {
    const std::string text = input_error([&] { read_word_vectors(folder.path()); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  says("our_vab_data.npy");
  write_vocabulary(folder.path(), Tensor::zeros({4, 50}));
  says("word vectors must be (words, 300)");
  write_vocabulary(folder.path(), Tensor::zeros({3, 300}));
  says("the word \"sos\" of");
  write_vocabulary(folder.path(), Tensor::full({4, 300}, NAN));
  says("is not finite");
  write_vocabulary(folder.path(), Tensor::zeros({4, 300}), "other");
  says("the word \"other\" of");
}

TEST(WordVectors, ThePublishedWordLists) {
  const auto shared = shared_data();
  if (!shared) GTEST_SKIP() << "no ../shared/data, and KINEGRAD_SHARED_DATA is not set";
  const TemporaryFolder folder;
  for (const char* name : {"our_vab_words.pkl", "our_vab_idx.pkl"})
    std::filesystem::copy_file(*shared / "vocab" / name, folder.path() / name);
  write_npy(folder.path() / "our_vab_data.npy", Tensor::zeros({4199, 300}));
  const WordVectors read = read_word_vectors(folder.path());
  EXPECT_EQ(read.words.size(), 4199);
  const Sentence s = read.words.encode({"walk/VERB", "feet/NOUN"});
  EXPECT_EQ(s.words[1], 45);
  EXPECT_EQ(s.classes[1], 12);
  EXPECT_EQ(s.words[2], 2);  // of all special words, only this one is not in the published vocabulary
}

}  // namespace
}  // namespace kg
