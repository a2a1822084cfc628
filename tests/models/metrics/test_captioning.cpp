// BLEU, ROUGE-L, CIDEr and BERTScore: by hand, against the public packages, under permutations, and with bad input.
#include "models/metrics/captioning.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "models/metrics/bert_score.h"
#include "tensor/ops.h"
#include "tests/error_of.h"
#include "tests/golden/golden.h"

namespace kg {
namespace {

CaptionItem item(const std::string& caption, const std::vector<std::string>& references) {
  CaptionItem result{blank_separated(caption), {}};
  for (const std::string& reference : references) result.references.push_back(blank_separated(reference));
  return result;
}

TEST(CaptionWords, EachPackageSplitsInItsWay) {
  const std::string caption = " A  man's jumping-jack, 2x:\tdone. caf\xC3\xA9";
  EXPECT_EQ(blank_separated(caption), (Words{"A", "man's", "jumping-jack,", "2x:", "done.", "caf\xC3\xA9"}));
  EXPECT_EQ(plain_words(caption), (Words{"a", "man", "s", "jumping", "jack", "2x", "done", "caf\xC3\xA9"}));
  EXPECT_EQ(alphanumeric_words(caption), (Words{"a", "man", "s", "jumping", "jack", "2x", "done", "caf"}));
  EXPECT_EQ(plain_words(" .,"), Words{});
  EXPECT_EQ(plain_words("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~x"), Words{"x"});
}

TEST(CaptionWords, ReferencesAreThree) {
  EXPECT_EQ(caption_of_tokens({"a/DET", "man/NOUN", "and/or/X"}), "a man and/or");
  EXPECT_EQ(three_references({"a"}), (std::vector<std::string>{"a", "a", "a"}));
  EXPECT_EQ(three_references({"a", "b"}), (std::vector<std::string>{"a", "b", "a"}));
  EXPECT_EQ(three_references({"a", "b", "c", "d"}), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Bleu, ByHand) {
  // Words: the (clipped at 2 of 3), cat: 3 of 4; pairs "the the" (1 of 2, no reference has it), "the cat": 1 of 3.
  const std::vector<CaptionItem> items = {item("the the the cat", {"the cat sees the dog", "a cat"})};
  const double penalty = std::exp(1 - 5 / 4.);  // closest: 5 words of 4; shortest: 2, no penalty
  const auto shortest = bleu(items, Brevity::shortest), closest = bleu(items, Brevity::closest);
  EXPECT_NEAR(shortest[0], 75, 1e-12);
  EXPECT_NEAR(shortest[1], 100 * std::sqrt(.75 / 3), 1e-12);
  EXPECT_EQ(shortest[2], 0);
  EXPECT_EQ(shortest[3], 0);
  EXPECT_NEAR(closest[0], 75 * penalty, 1e-12);
  // Lengths 3 and 5 are equally near to 4: the shorter one is due.
  EXPECT_NEAR(bleu({item("a b c d", {"a b c d e", "a b c"})}, Brevity::closest)[0], 100, 1e-12);
}

TEST(RougeL, ByHand) {
  // Common subsequences "a c d" (of 4 and 4) and "a b" (of 4 and 2).
  const std::vector<CaptionItem> items = {item("a b c d", {"a c x d", "a b"})};
  EXPECT_NEAR(rouge_l(items), 75, 1e-12);
  const double p = .75, r = 1, b = 1.44;  // the best of each
  EXPECT_NEAR(rouge_l_beta(items), 100 * (1 + b) * p * r / (r + b * p), 1e-12);
  EXPECT_EQ(rouge_l({item("x", {"y"}), item("", {"y"})}), 0);
}

TEST(Cider, ByHand) {
  // Two items, each text of one word that occurs in one item: idf ln 2, cosine 1 for words, no longer n-grams.
  EXPECT_NEAR(cider({item("run", {"run"}), item("jump", {"jump"})}), 1000 / 4., 1e-10);
  EXPECT_NEAR(cider_d({item("run", {"run"}), item("jump", {"jump"})}), 1000 / 4., 1e-10);
  // "run run" against "run": the same direction; clipped 1 of 2; one bigram more.
  const std::vector<CaptionItem> twice = {item("run run", {"run"}), item("x", {"jump"})};
  EXPECT_NEAR(cider(twice), 1000 / 4. / 2, 1e-10);
  EXPECT_NEAR(cider_d(twice), 1000 / 4. / 2 / 2 * std::exp(-1 / 72.), 1e-10);
  // A word of every item's references weighs nothing.
  EXPECT_EQ(cider({item("a", {"a"}), item("a", {"a"})}), 0);
}

TEST(Captions, EqualToTheirReferencesAreFull) {
  std::vector<std::string> captions = {"a person walks in a circle", "someone jumps up and down twice",
                                       "the man kicks with his left leg"};
  std::vector<std::vector<std::string>> references;
  for (const std::string& caption : captions) references.push_back({caption, caption});
  const CaptionScores scores = score_captions(captions, references);
  for (const double value : scores.bleu) EXPECT_NEAR(value, 100, 1e-10);
  for (const double value : scores.bleu_closest) EXPECT_NEAR(value, 100, 1e-10);
  EXPECT_NEAR(scores.rouge_l, 100, 1e-10);
  EXPECT_NEAR(scores.rouge_l_beta, 100, 1e-10);
  EXPECT_NEAR(scores.cider, 1000, 1e-9);
  EXPECT_NEAR(scores.cider_d, 1000, 1e-9);
  EXPECT_NEAR(scores.mean_length, 19 / 3., 1e-12);
}

struct CaptionGolden {
  std::vector<std::string> captions, cropped;
  std::vector<std::vector<std::string>> references;
  nlohmann::json values;
};
CaptionGolden caption_golden() {
  const auto json = nlohmann::json::parse(std::ifstream(KG_TEST_DIR "/golden/captions.json"));
  CaptionGolden golden;
  for (const auto& each : json["items"]) {
    golden.captions.push_back(each["caption"]);
    golden.cropped.push_back(each["cropped"]);
    golden.references.push_back(each["references"]);
  }
  golden.values = json["values"];
  return golden;
}

void expect_golden(const CaptionScores& scores, const nlohmann::json& values) {
  for (size_t n = 0; n < 4; ++n) {
    EXPECT_NEAR(scores.bleu[n], 100 * double(values["bleu"][n]), 1e-6);  // the package adds 1e-9 to its counts
    EXPECT_NEAR(scores.bleu_closest[n], 100 * double(values["bleu_closest"][n]), 1e-6);
  }
  EXPECT_NEAR(scores.rouge_l, 100 * double(values["rouge_l"]), 1e-10);
  EXPECT_NEAR(scores.rouge_l_beta, 100 * double(values["rouge_l_beta"]), 1e-10);
  EXPECT_NEAR(scores.cider, 100 * double(values["cider"]), 1e-9);
  EXPECT_NEAR(scores.cider_d, 100 * double(values["cider_d"]), 1e-9);
  EXPECT_NEAR(scores.mean_length, values["mean_length"], 1e-12);
}

TEST(Captions, Golden) {
  const CaptionGolden golden = caption_golden();
  expect_golden(score_captions(golden.captions, golden.references), golden.values);
}

TEST(Bleu, GoldenOfShortCaptions) {
  const CaptionGolden golden = caption_golden();
  const CaptionScores scores = score_captions(golden.cropped, golden.references);
  for (size_t n = 0; n < 4; ++n) {
    EXPECT_NEAR(scores.bleu[n], 100 * double(golden.values["cropped_bleu"][n]), 1e-6);
    EXPECT_NEAR(scores.bleu_closest[n], 100 * double(golden.values["cropped_bleu_closest"][n]), 1e-6);
    EXPECT_LT(scores.bleu_closest[n], scores.bleu[n] - 1);
  }
}

TEST(Bleu, GoldenOfNltk) {
  const CaptionGolden golden = caption_golden();
  for (const bool cropped : {false, true}) {
    std::vector<CaptionItem> items;
    for (size_t i = 0; i < golden.captions.size(); ++i) {
      CaptionItem item{plain_words((cropped ? golden.cropped : golden.captions)[i]), {}};
      for (const std::string& reference : golden.references[i]) item.references.push_back(plain_words(reference));
      if (item.words.size() >= 4) items.push_back(item);
    }
    const std::array<double, 4> scores = bleu(items, Brevity::closest);
    for (size_t n = 0; n < 4; ++n)
      EXPECT_NEAR(scores[n], 100 * double(golden.values[cropped ? "cropped_bleu_nltk" : "bleu_nltk"][n]), 1e-10);
  }
}

TEST(Captions, OrderOfItemsAndReferencesDoesNotMatter) {
  CaptionGolden golden = caption_golden();
  std::reverse(golden.captions.begin(), golden.captions.end());
  std::reverse(golden.references.begin(), golden.references.end());
  for (auto& references : golden.references) std::reverse(references.begin(), references.end());
  expect_golden(score_captions(golden.captions, golden.references), golden.values);
}

TEST(Captions, BadInputIsNamed) {
  const auto says = [](const std::string& part, const std::function<void()>& call) {
    EXPECT_NE(error_of(ErrorCode::input, call).find(part), std::string::npos) << part;
  };
  says("0 captions", [] { bleu({}, Brevity::shortest); });
  says("caption 1 has no reference", [] { rouge_l({item("a", {"a"}), item("a", {})}); });
  says("0 captions", [] { rouge_l_beta({}); });
  says("1 captions, at least 2", [] { cider_d({item("a", {"a"})}); });
  says("no captions", [] { mean_length({}); });
  says("2 captions, but references of 1 items", [] { score_captions({"a", "b"}, {{"a"}}); });
  says("'man' is not word/TAG", [] { caption_of_tokens({"a/DET", "man"}); });
  says("without a caption", [] { three_references({}); });
}

TEST(BertScore, ByHand) {
  // Two tokens along x and y against one along the diagonal and one along -x, of other lengths.
  const TokenEmbeddings candidate{Tensor::from<double>({1, 0, 0, 2}, {2, 2}), {1, 3}},
      reference{Tensor::from<double>({3, 3, -1, 0}, {2, 2}), {1, 1}};
  const double half = std::sqrt(.5);
  const BertScore score = bert_score(candidate, reference);
  EXPECT_NEAR(score.precision, half, 1e-15);
  EXPECT_NEAR(score.recall, (half + 0) / 2, 1e-15);
  EXPECT_NEAR(score.f1, 2 * half * half / 2 / (1.5 * half), 1e-15);
  const BertScore scaled = rescale(score, {.5, 0, .2});
  EXPECT_NEAR(scaled.precision, (half - .5) / .5, 1e-15);
  EXPECT_EQ(scaled.recall, score.recall);
  EXPECT_NEAR(scaled.f1, (score.f1 - .2) / .8, 1e-15);
  const BertScore best = best_of({{.1, .9, .3}, {.5, .2, .4}});
  EXPECT_EQ(best.precision, .5);
  EXPECT_EQ(best.recall, .9);
  EXPECT_EQ(best.f1, .4);
}

TEST(BertScore, GoldenAndInvariances) {
  const Golden golden("bert_score.safetensors");
  const auto text = [&](const std::string& name) {
    return TokenEmbeddings{golden.get(name, Dtype::f64), golden.get(name + ".weights").to_vector()};
  };
  const std::vector<double> want = golden.get("score").to_vector();
  const auto expect_score = [&](const BertScore& score) {
    EXPECT_NEAR(score.precision, want[0], 1e-14);
    EXPECT_NEAR(score.recall, want[1], 1e-14);
    EXPECT_NEAR(score.f1, want[2], 1e-14);
  };
  const TokenEmbeddings candidate = text("candidate"), reference = text("reference");
  expect_score(bert_score(candidate, reference));
  const BertScore swapped = bert_score(reference, candidate);
  expect_score({swapped.recall, swapped.precision, swapped.f1});
  TokenEmbeddings longer = candidate;
  longer.vectors = candidate.vectors.clone();
  scale_(longer.vectors, 7);
  for (double& weight : longer.weights) weight *= 3;
  expect_score(bert_score(longer, reference));
  EXPECT_NEAR(bert_score(candidate, candidate).f1, 1, 1e-15);
}

TEST(BertScore, RareTokensWeighMore) {
  const IdfWeights weights({{1, 5, 5, 2}, {1, 6, 2}, {1, 5, 2}});
  EXPECT_EQ(weights.of(1), 0);  // in every reference
  EXPECT_DOUBLE_EQ(weights.of(5), std::log(4 / 3.));
  EXPECT_EQ(weights.of(std::vector<int>{6, 99}), (std::vector<double>{std::log(2.), std::log(4.)}));
  EXPECT_EQ(IdfWeights().of(99), 1);
}

TEST(BertScore, BadInputIsNamed) {
  const auto says = [](const std::string& part, const std::function<void()>& call) {
    EXPECT_NE(error_of(ErrorCode::input, call).find(part), std::string::npos) << part;
  };
  const TokenEmbeddings good{Tensor::ones({2, 3}), {1, 1}};
  says("reference: row 0 is zero", [&] { bert_score(good, {Tensor::zeros({2, 3}), {1, 1}}); });
  says("2 tokens, but 1 weights", [&] { bert_score({Tensor::ones({2, 3}), {1}}, good); });
  says("a weight of -1", [&] { bert_score({Tensor::ones({2, 3}), {1, -1}}, good); });
  says("3 and 2 numbers", [&] { bert_score(good, {Tensor::ones({2, 2}), {1, 1}}); });
  says("no references", [] { best_of({}); });
  says("no references", [] { IdfWeights(std::vector<std::vector<int>>{}); });
  says("a baseline of 1", [] { rescale({1, 1, 1}, {1, 0, 0}); });
  EXPECT_EQ(bert_score({Tensor::ones({2, 3}), {0, 0}}, good).precision, 0);
}

}  // namespace
}  // namespace kg
