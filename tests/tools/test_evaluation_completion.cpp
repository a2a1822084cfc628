// Completions in the evaluation, on bodies that glide along a straight line, where every error is known; and captions
// of the built-in set, read back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "data/motion/features.h"
#include "data/sets/procedural.h"
#include "tests/error_of.h"
#include "tests/tools/evaluation_cases.h"
#include "tools/common/evaluate/evaluation.h"

namespace kg {
using namespace tools;
}

namespace kg {
namespace {

constexpr double kStep = .05;  // metres a frame

// A stiff body that glides forward, `lift` above its height.
Tensor glide(int64_t frames, double lift = 0, double step = kStep) {
  const Tensor x = Tensor::zeros({frames, kFeatures});
  for (int64_t t = 0; t < frames; ++t) {
    float* row = x.data<float>() + t * kFeatures;
    row[kRootVelocity + 1] = float(step);
    row[kRootHeight] = float(.9 + lift);
    for (int64_t j = 1; j < 22; ++j) {
      row[kLocalPositions + 3 * (j - 1)] = float(.02 * double(j % 5));
      row[kLocalPositions + 3 * (j - 1) + 1] = float(.06 * double(j) + lift);
    }
  }
  return x;
}

// The first item is too short to complete, the second is longer than evaluators see.
EvaluationSet gliding_set() {
  EvaluationSet set;
  set.seed = 5;
  for (const int64_t frames : {15, 199, 60, 83, 100}) {
    const std::string name = std::to_string(set.data.items.size());
    set.first.push_back(int(set.data.items.size()));
    set.data.items.push_back({name, glide(frames), {{"person " + name, {"person/NOUN"}}}});
  }
  set.data.statistics = {Tensor::zeros({kFeatures}), Tensor::ones({kFeatures})};
  return set;
}

const ReportRow& row_of(const Evaluation& evaluation, const std::string& group, const std::string& name) {
  for (const ReportRow& r : evaluation.report.rows)
    if (r.group == group && r.name == name) return r;
  throw std::runtime_error("no row " + name + " of " + group);
}
double control(const ReportRow& row, const std::string& name) {
  for (const auto& [own, value] : row.controls)
    if (own == name) return value.mean;
  return -1;
}
// Glides on, `lift` too high, `lacking` frames too few.
Contender completer(double lift, std::vector<MotionRequest>* asked = nullptr, int64_t lacking = 0) {
  Contender contender;
  contender.complete = [=](const std::vector<MotionRequest>& requests) {
    std::vector<Completion> completions;
    for (const MotionRequest& r : requests) {
      if (asked) asked->push_back(r);
      const int64_t given = r.beginning.size(0), behind = r.end.defined() ? r.end.size(0) : 0;
      const Tensor made = glide(r.frames - given - behind - lacking, lift);
      std::vector<Tensor> parts{r.beginning};
      if (made.size(0) > 0) parts.push_back(made);
      if (behind > 0) parts.push_back(r.end);
      completions.push_back({concat(parts, 0), glide(behind > 0 ? r.frames : r.frames - given, lift)});
    }
    return completions;
  };
  return contender;
}

TEST(EvaluationCompletion, AsksWithWhatIsGiven) {
  const EvaluationSet set = gliding_set();
  std::vector<MotionRequest> asked;
  const Evaluation result = evaluate(set, completer(0, &asked), nullptr, options_for({"prediction", "between"}, 3));
  ASSERT_EQ(asked.size(), 2u * 3 * 4);
  const int64_t frames[] = {196, 60, 80, 100}, first[] = {36, 12, 16, 20};
  const int64_t quarter[] = {48, 12, 20, 24}, last[] = {52, 16, 20, 28};
  std::set<uint64_t> streams;
  for (size_t i = 0; i < asked.size(); ++i) {
    const bool between = i >= asked.size() / 2;
    EXPECT_EQ(asked[i].frames, frames[i % 4]);
    EXPECT_EQ(asked[i].beginning.size(0), between ? quarter[i % 4] : first[i % 4]);
    EXPECT_EQ(asked[i].end.defined() ? asked[i].end.size(0) : 0, between ? last[i % 4] : 0);
    EXPECT_EQ(asked[i].caption, "person " + std::to_string(1 + i % 4));
    streams.insert(asked[i].stream);
  }
  EXPECT_EQ(streams.size(), asked.size());
  EXPECT_TRUE(has_note(result, "prediction: 1 items are left out: they are shorter than 20 frames"));
  EXPECT_EQ(row_of(result, "prediction", "ADE a joint, m").items, 4);
  EXPECT_EQ(row_of(result, "prediction", "ADE a joint, m").repeats, 3);
}

TEST(EvaluationCompletion, ErrorsAndControlsInClosedForm) {
  const EvaluationSet set = gliding_set();
  const Evaluation exact = evaluate(set, completer(0), nullptr, options_for({"prediction", "between"}, 3));
  for (const char* group : {"prediction", "between"}) {
    for (const char* name : {"ADE, as published", "FDE, as published", "ADE a joint, m", "FDE a joint, m"}) {
      EXPECT_NEAR(row_of(exact, group, name).model.mean, 0, 1e-5) << group << ' ' << name;
      EXPECT_EQ(row_of(exact, group, name).decimals, 3);
    }
    const ReportRow& final = row_of(exact, group, "FDE a joint, m");
    EXPECT_NEAR(control(final, "velocity held"), 0, 1e-5);
    EXPECT_NEAR(final.random.mean, 0, 1e-5) << "all bodies glide alike";
  }
  // Frames 36 to 196, 12 to 60, 16 to 80 and 20 to 100 are missing; the held pose falls back a step a frame.
  const double n[] = {160, 48, 64, 80};
  double average = 0, final = 0;
  for (const double frames : n) average += kStep * (frames + 1) / 2 / 4, final += kStep * frames / 4;
  EXPECT_NEAR(control(row_of(exact, "prediction", "ADE a joint, m"), "pose held"), average, 1e-4);
  EXPECT_NEAR(control(row_of(exact, "prediction", "FDE a joint, m"), "pose held"), final, 1e-4);
  EXPECT_EQ(control(row_of(exact, "prediction", "FDE a joint, m"), "straight between"), -1) << "there is no end";
  EXPECT_NEAR(control(row_of(exact, "between", "FDE a joint, m"), "straight between"), 0, 1e-5);
  // 10 cm too high.
  const Evaluation high = evaluate(set, completer(.1), nullptr, options_for({"prediction", "between"}, 3));
  for (const char* group : {"prediction", "between"}) {
    EXPECT_NEAR(row_of(high, group, "ADE, as published").model.mean, std::sqrt(22.) * .1, 1e-5) << group;
    EXPECT_NEAR(row_of(high, group, "FDE, as published").model.mean, std::sqrt(22.) * .1, 1e-5) << group;
    EXPECT_NEAR(row_of(high, group, "ADE a joint, m").model.mean, .1, 1e-5) << group;
    EXPECT_NEAR(row_of(high, group, "FDE a joint, m").model.mean, .1, 1e-5) << group;
    EXPECT_NEAR(row_of(high, group, "FDE a joint, m").model.half_width, 0, 1e-12) << "all repeats are alike";
  }
}

// What was written alone begins at frame 0 of the whole motion: a body that only later stands still is wrong there.
TEST(EvaluationCompletion, AloneIsLaidFromTheFirstFrame) {
  EvaluationSet set = gliding_set();
  for (Item& item : set.data.items) {
    item.features = glide(100);
    item.features.slice(0, 20, 100).copy_from(glide(80, 0, 0));
  }
  Contender contender;
  contender.complete = [](const std::vector<MotionRequest>& requests) {
    std::vector<Completion> completions;
    for (const MotionRequest& r : requests)
      completions.push_back({concat(std::vector<Tensor>{r.beginning, glide(80, 0, 0)}, 0), glide(80, 0, 0)});
    return completions;
  };
  const Evaluation result = evaluate(set, contender, nullptr, options_for({"prediction"}, 3));
  EXPECT_NEAR(row_of(result, "prediction", "ADE a joint, m").model.mean, 0, 1e-5);
  // 20 frames of gliding, which the part alone does not have: 1 m for each joint from frame 20 on, frames 16 to 80.
  EXPECT_NEAR(row_of(result, "prediction", "FDE, as published").model.mean, std::sqrt(22.) * 20 * kStep, 1e-4);
  const double sum = kStep * (16 + 17 + 18 + 19 + 60 * 20);
  EXPECT_NEAR(row_of(result, "prediction", "ADE, as published").model.mean, std::sqrt(22.) * sum / 64, 1e-4);
}

TEST(EvaluationCompletion, ShortCompletionsHoldTheirLastPose) {
  const EvaluationSet set = gliding_set();
  const Evaluation result = evaluate(set, completer(0, nullptr, 8), nullptr, options_for({"prediction", "between"}, 3));
  EXPECT_TRUE(has_note(result, "prediction: 12 completions are shorter"));
  EXPECT_NEAR(row_of(result, "prediction", "FDE a joint, m").model.mean, 8 * kStep, 1e-5);
  EXPECT_NEAR(row_of(result, "between", "FDE a joint, m").model.mean, 8 * kStep, 1e-5);
}

// The embedding is the mean height of the body and the number of frames.
Embedder height_embedder() {
  Embedder embedder;
  embedder.name = "heights";
  embedder.official = true;
  embedder.statistics = {Tensor::zeros({kFeatures}), Tensor::ones({kFeatures})};
  embedder.motions = [](const Tensor& x, const std::vector<int64_t>& frames) {
    const Tensor rows = Tensor::zeros({x.size(0), 2});
    for (int64_t b = 0; b < x.size(0); ++b) {
      for (int64_t t = 0; t < frames[size_t(b)]; ++t)
        rows.data<float>()[2 * b] += x.data<float>()[(b * x.size(1) + t) * kFeatures + kRootHeight];
      rows.data<float>()[2 * b] /= float(frames[size_t(b)]);
      rows.data<float>()[2 * b + 1] = float(frames[size_t(b)]);
    }
    return rows;
  };
  embedder.texts = [](const std::vector<std::vector<std::string>>& tokens) {
    return Tensor::zeros({int64_t(tokens.size()), 2});
  };
  return embedder;
}

TEST(EvaluationCompletion, FidAndPublishedValues) {
  EvaluationSet set = gliding_set();
  for (Item& item : set.data.items) item.features = glide(100);
  const Embedder embedder = height_embedder();
  SystemInfo system;
  system.published_in = "a paper";
  system.published = {{"FID", 1, kNotPublished, ".002"},
                      {"FID, as published", .905, kNotPublished, ".002", "prediction", "a table"},
                      {"BLEU-1", 48.2, kNotPublished, "", "captions"}};
  Contender contender = completer(.5);
  contender.system = &system;
  contender.captions = std::vector<std::string>(5, "person");
  EvaluationOptions options = options_for({"prediction", "captions"}, 3);
  options.published_items = true;
  const Evaluation result = evaluate(set, contender, &embedder, options);
  // Alone, the height is off by .5 everywhere and 80 frames are seen for 100 or 96; joined by .5 in four fifths.
  const ReportRow& alone = row_of(result, "prediction", "FID, as published");
  const ReportRow& joined = row_of(result, "prediction", "FID");
  EXPECT_GT(alone.model.mean, joined.model.mean);
  EXPECT_EQ(alone.published.mean, .905);
  EXPECT_EQ(alone.source, "a table");
  EXPECT_NE(alone.note.find("real motions in the same publication: .002"), std::string::npos) << alone.note;
  EXPECT_TRUE(std::isnan(joined.published.mean)) << "that of another group";
  EXPECT_EQ(row_of(result, "captions", "BLEU-1").published.mean, 48.2);
  EXPECT_EQ(row_of(result, "captions", "BLEU-1").source, "a paper");
  options.published_items = false;
  const Evaluation other = evaluate(set, contender, &embedder, options);
  EXPECT_TRUE(std::isnan(row_of(other, "prediction", "FID, as published").published.mean));
  EXPECT_TRUE(std::isnan(row_of(other, "captions", "BLEU-1").published.mean));
}

EvaluationSet procedural_set(const std::vector<std::vector<std::string>>& captions) {
  EvaluationSet set = gliding_set();
  set.data.items.clear(), set.first.clear();
  int first = 0;
  for (const auto& own : captions) {
    Item item{std::to_string(first), glide(60), {}};
    for (const std::string& text : own) item.captions.push_back({text, {"person/NOUN"}});
    set.first.push_back(first);
    first += int(own.size());
    set.data.items.push_back(std::move(item));
  }
  return set;
}

TEST(CaptionFactsInEvaluation, ByHand) {
  const EvaluationSet set =
      procedural_set({{"a man kicks twice with his left leg", "a person slowly does two left kicks"},
                      {"someone walks forward"},
                      {"a woman walks in a clockwise circle quickly"},
                      {"a man raises both arms to shoulder height"}});
  Contender contender;
  contender.captions = {"\"A person kicks two times with their left foot very fast.\"",  // the speed contradicts
                        "the man walks backward",                                        // the direction is wrong
                        "a man walks clockwise in a large circle",                       // right
                        "a man raises both arms"};                                       // no sentence of the set
  const Evaluation result = evaluate(set, contender, nullptr, options_for({"captions"}, 3));
  const std::tuple<const char*, double, int64_t> expected[] = {{"sentences of the set, %", 75, 4},
                                                               {"action, %", 75, 4},
                                                               {"side, %", 50, 2},
                                                               {"direction, %", 50, 2},
                                                               {"count, %", 100, 1},
                                                               {"all facts, %", 25, 4}};
  for (const auto& [name, share, items] : expected) {
    const ReportRow& row = row_of(result, "captions, read back", name);
    EXPECT_EQ(row.model.mean, share) << name;
    EXPECT_EQ(row.truth.mean, 100) << name;
    EXPECT_EQ(row.items, items) << name;
  }
  EXPECT_LT(row_of(result, "captions, read back", "all facts, %").random.mean, 50);
}

TEST(CaptionFactsInEvaluation, OnTheBuiltInSetAlone) {
  std::vector<std::vector<std::string>> captions;
  Contender contender;
  for (int i = 0; i < 60; ++i) {
    captions.push_back(make_procedural_clip(3, i).captions);
    contender.captions.push_back(captions.back().back());
  }
  const Evaluation result = evaluate(procedural_set(captions), contender, nullptr, options_for({"captions"}, 3));
  EXPECT_EQ(row_of(result, "captions, read back", "all facts, %").model.mean, 100) << "another caption of each clip";
  EXPECT_LT(row_of(result, "captions, read back", "all facts, %").random.mean, 20);
  EXPECT_LT(row_of(result, "captions, read back", "action, %").random.mean, 30);
  captions[7][0] = "a man dances";
  const Evaluation other = evaluate(procedural_set(captions), contender, nullptr, options_for({"captions"}, 3));
  for (const ReportRow& row : other.report.rows) EXPECT_EQ(row.group, "captions");
}

}  // namespace
}  // namespace kg
