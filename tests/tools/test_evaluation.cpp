// The evaluation over a stand-in for the evaluator network: captions and motions carry a number,
// and both sides embed it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/motion/features.h"
#include "models/metrics/generation.h"
#include "tensor/parallel.h"
#include "tests/error_of.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_text_models.h"
#include "tests/tools/evaluation_cases.h"
#include "tools/common/evaluate/evaluation.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

constexpr int64_t kWidth = 6;

// The point of number k in the space.
double point(int64_t k, int64_t d) { return 4 * std::sin(double(k * (d + 3)) * 0.7 + double(d)); }

Tensor motion_of(int64_t k, int64_t frames, double error = 0) {
  const Tensor x = Tensor::empty({frames, kFeatures});
  fill_normal(x, 0, .05, {7, uint64_t(k)});
  for (int64_t t = 0; t < frames; ++t)
    for (int64_t d = 0; d < kWidth; ++d) x.data<float>()[t * kFeatures + d] += float(point(k, d) + error);
  return x;
}

EvaluationSet make_set(int64_t items, int captions = 2) {
  EvaluationSet set;
  set.seed = 5;
  for (int64_t i = 0; i < items; ++i) {
    Item item{std::to_string(i), motion_of(i, 44 + i % 97), {}};
    for (int c = 0; c < captions; ++c) {
      const std::string word = std::string(c ? "again" : "do") + std::to_string(i);
      item.captions.push_back({word, {word + "/VERB"}});
    }
    set.first.push_back(int(i) * captions);
    set.data.items.push_back(std::move(item));
  }
  set.data.statistics = {Tensor::zeros({kFeatures}), Tensor::ones({kFeatures})};
  return set;
}

int64_t number_in(const std::string& caption) {
  return std::stoll(caption.substr(caption.find_first_of("0123456789")));
}

// The mean of the first features over a motion's own frames, and the point of a caption's number.
Embedder make_embedder() {
  Embedder embedder;
  embedder.name = "stand-in";
  embedder.statistics = {Tensor::zeros({kFeatures}), Tensor::ones({kFeatures})};
  embedder.motions = [](const Tensor& x, const std::vector<int64_t>& frames) {
    const Tensor rows = Tensor::zeros({x.size(0), kWidth});
    for (int64_t b = 0; b < x.size(0); ++b)
      for (int64_t t = 0; t < frames[size_t(b)]; ++t)
        for (int64_t d = 0; d < kWidth; ++d)
          rows.data<float>()[b * kWidth + d] +=
              x.data<float>()[(b * x.size(1) + t) * kFeatures + d] / float(frames[size_t(b)]);
    return rows;
  };
  embedder.texts = [](const std::vector<std::vector<std::string>>& tokens) {
    const Tensor rows = Tensor::zeros({int64_t(tokens.size()), kWidth});
    for (size_t i = 0; i < tokens.size(); ++i)
      for (int64_t d = 0; d < kWidth; ++d)
        rows.data<float>()[int64_t(i) * kWidth + d] = float(point(number_in(tokens[i][0]), d));
    return rows;
  };
  return embedder;
}

const ReportRow& row_of(const Evaluation& evaluation, const std::string& name) {
  const auto& rows = evaluation.report.rows;
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const ReportRow& r) { return r.name == name; });
  if (found == rows.end()) throw std::runtime_error("no row " + name);
  return *found;
}

// Motions that do what the caption says, `error` beside it.
Contender generator(double error, std::vector<std::string>* asked = nullptr, std::set<uint64_t>* streams = nullptr) {
  Contender contender;
  contender.name = "generator";
  contender.generate = [=](const std::vector<MotionRequest>& requests) {
    std::vector<Tensor> motions;
    for (const MotionRequest& request : requests) {
      if (asked) asked->push_back(request.caption);
      if (streams) streams->insert(request.stream);
      motions.push_back(motion_of(number_in(request.caption), 60, error));
    }
    return motions;
  };
  return contender;
}

TEST(Evaluation, TruthFarAboveChanceAndShuffledAtChance) {
  const EvaluationSet set = make_set(320);
  const Embedder embedder = make_embedder();
  const Evaluation result = evaluate(set, {}, &embedder, options_for({"generation"}));
  const ReportRow& top1 = row_of(result, "R-Precision top 1");
  EXPECT_GT(top1.truth.mean, .95);
  EXPECT_NEAR(top1.random.mean, 1. / 32, .02);
  EXPECT_NEAR(row_of(result, "R-Precision top 3").random.mean, 3. / 32, .03);
  EXPECT_TRUE(std::isnan(top1.model.mean));
  EXPECT_EQ(top1.items, 320);
  EXPECT_EQ(top1.repeats, 5);
  EXPECT_LT(row_of(result, "FID").truth.mean, .01);
  EXPECT_GT(row_of(result, "MM-Dist").random.mean, 10 * row_of(result, "MM-Dist").truth.mean);
  EXPECT_TRUE(has_note(result, "not the published one"));
}

TEST(Evaluation, WorseMotionsScoreWorse) {
  const EvaluationSet set = make_set(96);
  const Embedder embedder = make_embedder();
  double last_fid = -1, last_distance = -1;
  for (const double error : {0., .5, 1., 2.}) {
    const Evaluation result = evaluate(set, generator(error), &embedder, options_for({"generation"}));
    const double fid = row_of(result, "FID").model.mean, distance = row_of(result, "MM-Dist").model.mean;
    EXPECT_GT(fid, last_fid);
    EXPECT_GT(distance, last_distance);
    // Every coordinate is off by the error: distance sqrt(6) error, FID 6 error^2.
    EXPECT_NEAR(distance, std::sqrt(6.) * error, .05);
    EXPECT_NEAR(fid, 6 * error * error, .1);
    last_fid = fid, last_distance = distance;
    ASSERT_EQ(result.cases.size(), 96u);
    EXPECT_NEAR(result.cases[3].distance, std::sqrt(6.) * error, .1);
  }
}

TEST(Evaluation, GeneratesOnceForEachItemAndRepeat) {
  const EvaluationSet set = make_set(40);
  const Embedder embedder = make_embedder();
  std::vector<std::string> asked;
  std::set<uint64_t> streams;
  EvaluationOptions options = options_for({"generation"});
  evaluate(set, generator(0, &asked, &streams), &embedder, options);
  EXPECT_EQ(asked.size(), 200u);
  EXPECT_EQ(streams.size(), 200u);
  EXPECT_GT(std::count_if(asked.begin(), asked.end(), [](const auto& c) { return c.starts_with("again"); }), 50);
  asked.clear();
  options.generations_once = true;
  const Evaluation once = evaluate(set, generator(0, &asked), &embedder, options);
  EXPECT_EQ(asked.size(), 40u);
  EXPECT_TRUE(has_note(once, "--generations-once"));
  EXPECT_TRUE(std::isnan(row_of(once, "FID").model.half_width));  // one value
  // MModality: 30 motions a text, all equal here.
  asked.clear();
  options.groups = {"multimodality"};
  options.multimodality_texts = 3;
  const Evaluation many = evaluate(set, generator(0, &asked), &embedder, options);
  EXPECT_EQ(asked.size(), 40u + 90u);
  EXPECT_EQ(row_of(many, "MModality").model.mean, 0);
  EXPECT_EQ(row_of(many, "MModality").items, 3);
}

TEST(Evaluation, ReadyMotionsAnswerTheFirstCaptions) {
  const EvaluationSet set = make_set(64);
  const Embedder embedder = make_embedder();
  Contender contender;
  for (const Item& item : set.data.items) contender.ready.push_back(item.features);
  const Evaluation result = evaluate(set, contender, &embedder, options_for({"generation", "plausibility"}));
  EXPECT_GT(row_of(result, "R-Precision top 1").model.mean, .95);
  EXPECT_LT(row_of(result, "FID").model.mean, .01);
  EXPECT_TRUE(has_note(result, "ready"));
  for (const Case& c : result.cases) EXPECT_EQ(c.caption, 0);
  EXPECT_TRUE(std::isfinite(row_of(result, "jitter, m/s^3").model.mean));
}

TEST(Evaluation, FewItemsFallBackWithARemark) {
  const EvaluationSet set = make_set(11);
  const Embedder embedder = make_embedder();
  const Evaluation result = evaluate(set, generator(.1), &embedder, options_for({"generation"}));
  EXPECT_NE(row_of(result, "R-Precision top 1").note.find("fewer than 32"), std::string::npos);
  EXPECT_EQ(row_of(result, "R-Precision top 1").items, 11);
  EXPECT_EQ(row_of(result, "Diversity").note, "fewer than 300 items: subsets of 10");
  EXPECT_NE(row_of(result, "FID").note.find("too high"), std::string::npos);
}

TEST(Evaluation, WithoutAnEvaluator) {
  const EvaluationSet set = make_set(12);
  Contender contender = generator(0);
  contender.reconstruct = [](const Tensor& x) { return x.slice(0, 0, x.size(0) / 4 * 4).contiguous(); };
  EvaluationOptions options = options_for(unasked_groups());
  const Evaluation result = evaluate(set, contender, nullptr, options);
  EXPECT_EQ(row_of(result, "MPJPE, mm").model.mean, 0);
  EXPECT_EQ(row_of(result, "acceleration error, mm/frame^2").model.mean, 0);
  EXPECT_TRUE(has_note(result, "train_evaluator"));
  EXPECT_TRUE(result.cases.empty());
  for (const ReportRow& row : result.report.rows)
    EXPECT_TRUE(row.group == "reconstruction" || row.group == "plausibility");
}

// Two skeletons of as many joints have as many features: the width alone does not tell them apart.
TEST(Evaluation, AnEvaluatorOfAnotherSkeletonIsRefused) {
  const EvaluationSet set = make_set(12);
  Embedder embedder = make_embedder();
  embedder.name = "RUN";
  embedder.skeleton.name = "another";
  const std::string error =
      error_of(ErrorCode::input, [&] { evaluate(set, generator(0), &embedder, options_for({"generation"})); });
  for (const char* part : {"the evaluator RUN", "another", "humanml3d", "cannot be mixed"})
    EXPECT_NE(error.find(part), std::string::npos) << error;
  embedder.skeleton = set.data.skeleton;
  EXPECT_NO_THROW(evaluate(set, generator(0), &embedder, options_for({"generation"})));
}

TEST(Evaluation, PublishedValuesOnlyWhereTheProtocolIsTheSame) {
  const EvaluationSet set = make_set(40);
  Embedder embedder = make_embedder();
  Contender contender = generator(0);
  EvaluationOptions options = options_for({"generation"});
  SystemInfo system;
  system.published_in = "a paper";
  system.published = {{"FID", .116, .004, ".002"}};
  const auto published = [&] { return row_of(evaluate(set, contender, &embedder, options), "FID").published.mean; };
  contender.system = &system, options.published_items = true;
  EXPECT_TRUE(std::isnan(published()));
  embedder.official = true;
  EXPECT_EQ(published(), .116);
  options.published_items = false;
  EXPECT_TRUE(std::isnan(published()));
  options.published_items = true, contender.system = nullptr;
  EXPECT_TRUE(std::isnan(published()));
  contender.system = &system;
  const Evaluation result = evaluate(set, contender, &embedder, options);
  EXPECT_NE(row_of(result, "FID").source.find("a paper"), std::string::npos);
  EXPECT_FALSE(has_note(result, "not the published one"));
}

// Embeddings are made once for all repeats; so the numbers are those of embedding each repeat's texts and motions anew.
TEST(Evaluation, SameNumbersAsEmbeddingInEveryRepeat) {
  const EvaluationSet set = make_set(64);
  const Embedder embedder = make_embedder();
  const EvaluationOptions options = options_for({"generation"});
  const Evaluation fast = evaluate(set, generator(.4), &embedder, options);
  std::vector<Tensor> texts, motions, reference;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    std::vector<std::vector<std::string>> tokens;
    std::vector<Tensor> made;
    for (int64_t i = 0; i < set.size(); ++i) {
      const Caption& caption = set.item(i).captions[size_t(set.caption(i, repeat))];
      tokens.push_back(caption.tokens);
      made.push_back(motion_of(number_in(caption.text), 60, .4));
    }
    texts.push_back(embedder.texts(tokens));
    motions.push_back(embed_motions(embedder, made, "motion"));
  }
  for (int64_t i = 0; i < set.size(); ++i) reference.push_back(set.cropped(i, 0));
  const FidReference real(embed_motions(embedder, reference, "truth"));
  GenerationProtocol protocol;
  protocol.repeats = options.repeats;
  protocol.seed = set.seed;
  const GenerationScores slow = score_generation(texts, motions, &real, protocol);
  EXPECT_EQ(row_of(fast, "R-Precision top 1").model.mean, slow.r_precision[0].mean);
  EXPECT_EQ(row_of(fast, "MM-Dist").model.mean, slow.mm_dist.mean);
  EXPECT_EQ(row_of(fast, "FID").model.mean, slow.fid.mean);
  EXPECT_EQ(row_of(fast, "Diversity").model.half_width, slow.diversity.half_width);
}

TEST(Evaluation, CaptionsOfMotions) {
  EvaluationSet set = make_set(40);
  for (Item& item : set.data.items)
    for (Caption& caption : item.captions)
      caption.tokens = {"a/DET", "man/NOUN", "does/AUX", "number/NOUN", caption.tokens[0]};
  Embedder embedder = make_embedder();
  Contender contender;
  for (int i = 0; i < 40; ++i) contender.captions.push_back("a man does number do" + std::string(1, char('A' + i)));
  const Evaluation wrong = evaluate(set, contender, nullptr, options_for({"captions"}));
  EXPECT_NEAR(row_of(wrong, "BLEU-1").model.mean, 80, 1e-9);  // four of five words
  EXPECT_EQ(row_of(wrong, "words a caption").model.mean, 5);
  EXPECT_TRUE(has_note(wrong, "BERTScore"));
  for (int i = 0; i < 40; ++i) contender.captions[size_t(i)] = "a man does number do" + std::to_string(i);
  const Evaluation right = evaluate(set, contender, nullptr, options_for({"captions"}));
  EXPECT_NEAR(row_of(right, "BLEU-4").model.mean, 100, 1e-9);
  EXPECT_NEAR(row_of(right, "ROUGE-L").model.mean, 100, 1e-9);
  EXPECT_GT(row_of(right, "CIDEr-D").model.mean, 3 * row_of(right, "CIDEr-D").random.mean);
}

TEST(Evaluation, ALanguageModelComparesCaptions) {
  const test::TemporaryFolder folder;
  write_tiny_bert(folder.path(), false);
  const auto language = open_text_encoder("bert:" + folder.path().string());
  EvaluationSet set = make_set(40);
  Contender contender;
  const Embedder embedder = make_embedder();
  EvaluationOptions options = options_for({"captions", "retrieval"});
  // None of the captions' words is in the vocabulary: all are alike, and whatever comes first is right.
  const auto place = [](const Evaluation& e) {
    for (const ReportRow& r : e.report.rows)
      if (r.group == "retrieval, text to motion, like captions count" && r.name == "R@1, %") return r.truth.mean;
    return -1.;
  };
  EXPECT_EQ(place(evaluate(set, contender, &embedder, options)), -1);
  options.language = language.get();
  EXPECT_EQ(place(evaluate(set, contender, &embedder, options)), 100);
  // The items' own words score 100, those of other items less.
  const std::vector<std::string> words = {"a", "person", "man", "walk", "forward", "jump"};
  for (size_t i = 0; i < set.data.items.size(); ++i) {
    const std::string first = words[i % 6], second = words[(i / 6) % 6];
    for (Caption& caption : set.data.items[i].captions) caption.tokens = {first + "/NOUN", second + "/NOUN"};
    contender.captions.push_back(first + " " + second);
  }
  options.groups = {"captions"};
  const Evaluation result = evaluate(set, contender, nullptr, options);
  EXPECT_NEAR(row_of(result, "BERTScore F1").model.mean, 100, 1e-3);
  EXPECT_LT(row_of(result, "BERTScore F1").random.mean, 99);
  EXPECT_FALSE(has_note(result, "BERTScore"));
}

TEST(Evaluation, CompletionsOfMotions) {
  const EvaluationSet set = make_set(5);
  Contender contender;
  for (const Item& item : set.data.items) contender.ready.push_back(item.features.clone());
  const Evaluation exact = evaluate(set, contender, nullptr, options_for({"prediction", "between"}));
  for (const ReportRow& row : exact.report.rows) EXPECT_EQ(row.model.mean, 0) << row.name;
  EXPECT_EQ(exact.report.rows.size(), 8u);
  // 10 cm higher: so is every joint, which stands in the features with its height.
  for (Tensor& motion : contender.ready)
    for (int64_t t = 0; t < motion.size(0); ++t)
      for (int64_t j = 0; j < 22; ++j)
        motion.data<float>()[t * kFeatures + (j == 0 ? kRootHeight : kLocalPositions + 3 * (j - 1) + 1)] += .1f;
  const Evaluation higher = evaluate(set, contender, nullptr, options_for({"prediction"}));
  EXPECT_NEAR(row_of(higher, "ADE").model.mean, std::sqrt(22.) * .1, 1e-5);
  EXPECT_NEAR(row_of(higher, "FDE a joint, m").model.mean, .1, 1e-6);
  contender.ready[2] = motion_of(2, 20);
  EXPECT_NE(error_of(ErrorCode::input, [&] { evaluate(set, contender, nullptr, options_for({"prediction"})); })
                .find("2: 20 frames, the ground truth has 46"),
            std::string::npos);
}

TEST(Evaluation, NoiseRaisesFid) {
  const EvaluationSet set = make_set(64);
  const Embedder embedder = make_embedder();
  const Evaluation result = evaluate(set, {}, &embedder, options_for({"noise"}));
  ASSERT_EQ(result.noise.size(), 1u);
  const auto& y = result.noise[0].y;
  EXPECT_LT(y[0], 1e-6);
  EXPECT_TRUE(std::is_sorted(y.begin() + 1, y.end()));
}

TEST(Evaluation, SameNumbersForAnyThreads) {
  const EvaluationSet set = make_set(70);
  const Embedder embedder = make_embedder();
  Contender contender = generator(.3);
  contender.reconstruct = [](const Tensor& x) { return motion_of(1, x.size(0) / 4 * 4); };
  EvaluationOptions options = options_for(unasked_groups());
  options.groups.insert("noise");
  options.groups.erase("rareness");  // reads the training captions of a data set
  options.multimodality_texts = 4;
  std::vector<std::string> reports;
  for (const int count : {1, 2, 3}) {
    set_threads(count);
    reports.push_back(evaluate(set, contender, &embedder, options).report.json().dump());
  }
  set_threads(0);
  EXPECT_EQ(reports[0], reports[1]);
  EXPECT_EQ(reports[0], reports[2]);
}

TEST(Evaluation, RefusesMotionsThatAreNotFinite) {
  const EvaluationSet set = make_set(12);
  const Embedder embedder = make_embedder();
  Contender contender;
  for (const Item& item : set.data.items) contender.ready.push_back(item.features.clone());
  contender.ready[4].data<float>()[9] = std::nanf("");
  EXPECT_EQ(error_of(ErrorCode::runtime, [&] { evaluate(set, contender, &embedder, options_for({"generation"})); }),
            "the model's motion 5: NaN or infinity in it");
  contender.ready[4] = motion_of(1, 3);
  EXPECT_EQ(error_of(ErrorCode::runtime, [&] { evaluate(set, contender, &embedder, options_for({"generation"})); }),
            "the model's motion 5: 3 frames, at least 4 are needed");
}

// A row does not depend on the other motions, nor on what lies beyond the frames that are seen.
TEST(Evaluation, EmbeddingsOfLengths) {
  const Embedder embedder = make_embedder();
  std::vector<Tensor> motions;
  for (int64_t i = 0; i < 150; ++i) motions.push_back(motion_of(i, 4 + i % 230));
  const Tensor all = embed_motions(embedder, motions, "motion");
  for (const int64_t i : {0, 63, 64, 149}) {
    const Tensor alone = embed_motions(embedder, {motions[size_t(i)]}, "motion");
    for (int64_t d = 0; d < kWidth; ++d) EXPECT_EQ(alone.data<float>()[d], all.data<float>()[i * kWidth + d]);
  }
  const Tensor longer = motion_of(3, 230), cut = longer.slice(0, 0, 196).contiguous();
  const Tensor pair = embed_motions(embedder, {longer, cut}, "motion");
  for (int64_t d = 0; d < kWidth; ++d) EXPECT_EQ(pair.data<float>()[d], pair.data<float>()[kWidth + d]);
}

}  // namespace
}  // namespace kg
