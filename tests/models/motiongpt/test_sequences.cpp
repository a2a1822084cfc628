// Sequences by hand and against tests/golden/make_span_golden.py: filled templates, parts of motions, span corruption.
#include "models/motiongpt/sequences.h"

#include <cmath>
#include <fstream>
#include <map>
#include <numeric>

#include "tests/models/motiongpt/tiny_language.h"

namespace kg {
namespace {

using Ids = std::vector<int32_t>;

nlohmann::json span_golden() { return nlohmann::json::parse(std::ifstream(KG_TEST_DIR "/golden/spans.json")); }

Ids counted(int64_t n) {
  Ids ids(size_t(n), 0);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

// ---- templates

SubTask task_of(const std::string& kind, const nlohmann::json& inputs, const nlohmann::json& outputs) {
  const nlohmann::json entry = {{"class", kind}, {"input", inputs}, {"output", outputs}};
  return parse_templates({"t", nlohmann::json{{"G", {{"T", entry}}}}.dump()}).tasks[0];
}
// The template filled, in one of the two ways.
std::string filled(const std::string& text, const Filling& filling, bool quoted = false, bool as_released = false) {
  const Wording wording = task_of("n2m", {text}, {"<Motion_Placeholder>"}).inputs[0];
  return fill(wording, filling, quoted, caption_language(), {.as_released = as_released}, {1, 2});
}

TEST(Fill, EveryPlaceholder) {
  const Filling item{.codes = counted(10), .caption = "walks", .frames = 0, .fps = 20};
  EXPECT_EQ(filled("Do <Caption_Placeholder>, <Caption_Placeholder>!", item), "Do walks, walks!");
  EXPECT_EQ(filled("Do <Caption_Placeholder>.", item, true), "Do \"walks\".");
  EXPECT_EQ(filled("<Frame_Placeholder>/<Second_Placeholder>", item), "40/2.0");
  const MotionLanguage& l = caption_language();
  const int32_t m = l.masked();
  EXPECT_EQ(filled("a <Motion_Placeholder> b", item), "a " + l.motion(counted(10)) + " b");
  EXPECT_EQ(filled("<Motion_Placeholder_s1>", item), l.motion({0, 1}));
  EXPECT_EQ(filled("<Motion_Placeholder_s2>", item), l.motion({2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(filled("<Motion_Placeholder_Masked>", item), l.motion({0, 1, m, m, m, m, m, 7, 8, 9}));
  // A length that is asked for, of a motion that is not there; at another rate; not a whole second.
  EXPECT_EQ(filled("<Frame_Placeholder>/<Second_Placeholder>", {.codes = {}, .caption = "", .frames = 59}), "59/2.0");
  EXPECT_EQ(filled("<Second_Placeholder>", {.codes = counted(10), .caption = "", .fps = 12.5}), "3.0");
  EXPECT_EQ(filled("<Second_Placeholder>", {.codes = counted(4), .caption = ""}), "0.0");
}

TEST(Fill, AsReleased) {
  const Filling item{.codes = counted(40), .caption = "walks"};
  EXPECT_EQ(filled("<Frame_Placeholder>/<Second_Placeholder>", item, false, true), "40/2.0");
  EXPECT_EQ(filled("<Frame_Placeholder>/<Second_Placeholder>", item), "160/8.0");
  const MotionLanguage& l = caption_language();
  EXPECT_EQ(filled("<Motion_Placeholder_s1>", item, false, true), l.motion({0, 1}));  // 5 %
  EXPECT_EQ(filled("<Motion_Placeholder_s1>", item), l.motion(counted(8)));
}

TEST(Fill, CaptionsAreNotFilledAgain) {
  const Filling item{.codes = counted(10), .caption = "a <Frame_Placeholder> <Motion_Placeholder> {x|y} <"};
  EXPECT_EQ(filled("Do <Caption_Placeholder> in <Frame_Placeholder>", item),
            "Do a <Frame_Placeholder> <Motion_Placeholder> {x|y} < in 40");
}

TEST(Fill, MotionsOfFewTokens) {
  const MotionLanguage& l = caption_language();
  const Filling one{.codes = {7}, .caption = ""};
  EXPECT_EQ(filled("<Motion_Placeholder_s1>", one), l.motion({}));
  EXPECT_EQ(filled("<Motion_Placeholder_s2>", one), l.motion({7}));
  EXPECT_EQ(filled("<Motion_Placeholder_Masked>", one), l.motion({7}));
  EXPECT_EQ(filled("<Motion_Placeholder_Masked>", {.codes = {7, 8}, .caption = ""}), l.motion({l.masked(), 8}));
  EXPECT_EQ(filled("x<Caption_Placeholder>y", one), "xy");
  EXPECT_EQ(filled("<Caption_Placeholder>", one, true), "\"\"");
}

TEST(Parts, AsThePythonSlices) {
  const nlohmann::json parts = span_golden()["parts"];
  for (const bool frames : {true, false})
    for (int64_t n = 0; n < 60; ++n) {
      const Ids codes = counted(n);
      const int64_t length = frames ? 4 * n : n;
      const Ids want = parts[frames ? "frames" : "tokens"][size_t(n)];
      const Ids first = beginning_of(codes, length), rest = rest_of(codes, length);
      EXPECT_EQ(int32_t(first.size()), want[0]) << n;
      EXPECT_EQ(rest.size() + first.size(), codes.size());
      EXPECT_TRUE(std::equal(rest.begin(), rest.end(), codes.begin() + int64_t(first.size())));
      Ids masked = codes;
      std::fill_n(masked.begin() + want[1], want[2], -1);
      EXPECT_EQ(masked_middle(codes, length, -1), masked) << n;
    }
}

TEST(Supervised, DrawsTemplatesAlternativesAndQuotes) {
  const MotionLanguage& l = caption_language();
  const SubTask task = task_of("t2t", {"{walks|jumps} <Caption_Placeholder>", "turns <Caption_Placeholder>"},
                               {"<Frame_Placeholder>", "claps <Caption_Placeholder>"});
  const Filling item{.codes = counted(5), .caption = "bows"};
  std::map<std::string, int> inputs, outputs;
  std::map<std::pair<bool, bool>, int> quoted;
  const int n = 4000;
  for (int i = 0; i < n; ++i) {
    const LanguagePair pair = supervised_pair(task, item, l, {}, {1, uint64_t(i)}, {2, uint64_t(i)});
    ASSERT_EQ(pair.input.back(), l.end());
    const std::string in = l.read(pair.input).text, out = l.read(pair.target).text;
    ++inputs[in.substr(0, in.find(' '))];
    ++outputs[out.substr(0, out.find(' '))];
    if (out != "20") ++quoted[{in.back() == '"', out.back() == '"'}];
  }
  EXPECT_NEAR(inputs["turns"], n / 2, 130);  // 4 deviations
  EXPECT_NEAR(inputs["walks"], n / 4, 110);
  EXPECT_NEAR(inputs["jumps"], n / 4, 110);
  EXPECT_NEAR(outputs["20"], n / 2, 130);
  for (const auto& [sides, count] : quoted) EXPECT_NEAR(count, n / 8, 90) << sides.first << sides.second;
  EXPECT_EQ(quoted.size(), 4u);
  // Never and always.
  for (const double share : {0.0, 1.0}) {
    const LanguagePair pair = supervised_pair(task, item, l, {.quoted = share}, {1, 3}, {2, 3});
    EXPECT_EQ(l.read(pair.input).text.back() == '"', share == 1);
  }
}

TEST(Supervised, LongMotionsKeepTheEndOfText) {
  const MotionLanguage& l = caption_language();
  Ids codes(515, 3);
  const SubTask task = task_of("m2t", {"turns <Motion_Placeholder>"}, {"<Caption_Placeholder>"});
  const LanguagePair pair = supervised_pair(task, {.codes = codes, .caption = ""}, l, {.quoted = 0}, {1, 1}, {1, 1});
  EXPECT_EQ(pair.input.size(), 256u);
  EXPECT_EQ(pair.input.back(), l.end());
  EXPECT_EQ(pair.target, Ids{l.end()});
  EXPECT_EQ(supervised_pair(task, {.codes = codes, .caption = ""}, l, {.max_length = 9}, {}, {}).input.size(), 9u);
}

// ---- span corruption

TEST(SpanCorruption, CountsOfTheGolden) {
  const nlohmann::json counts = span_golden()["counts"];
  ASSERT_EQ(counts.size(), 299u);
  for (int64_t length = 2; length <= 300; ++length) {
    const Spans spans = draw_spans(length, {}, {3, uint64_t(length)});
    const int64_t dropped = std::accumulate(spans.dropped.begin(), spans.dropped.end(), int64_t{0});
    const int64_t kept = std::accumulate(spans.kept.begin(), spans.kept.end(), int64_t{0});
    EXPECT_EQ(dropped, counts[size_t(length - 2)][0].get<int64_t>()) << length;
    EXPECT_EQ(int64_t(spans.dropped.size()), counts[size_t(length - 2)][1].get<int64_t>()) << length;
    EXPECT_EQ(spans.kept.size(), spans.dropped.size());
    EXPECT_EQ(kept + dropped, length);
    for (const auto* lengths : {&spans.kept, &spans.dropped})
      for (const int64_t n : *lengths) EXPECT_GE(n, 1);
  }
  // Halves go to the even number: 0.15 x 10 = 1.5, 0.15 x 30 = 4.5.
  EXPECT_EQ(counts[8][0], 2);
  EXPECT_EQ(counts[28][0], 4);
}

TEST(SpanCorruption, SequencesOfTheGolden) {
  std::string model = tiny_spiece();
  for (int i = 8; i < 1000; ++i) model += spiece_piece("piece" + std::to_string(i), -9);
  const MotionLanguage language({"m", model}, {});
  ASSERT_EQ(language.sentinel(0), 1099);
  const nlohmann::json cases = span_golden()["cases"];  // the loop's range would not keep the whole alive
  for (const nlohmann::json& c : cases) {
    const LanguagePair pair = corrupt_spans(c["ids"], {c["kept"], c["dropped"]}, language);
    EXPECT_EQ(pair.input, c["input"].get<Ids>());
    EXPECT_EQ(pair.target, c["target"].get<Ids>());
  }
}

TEST(SpanCorruption, ByHand) {
  const MotionLanguage l = tiny_language();  // sentinels 9, 8
  const LanguagePair pair = corrupt_spans({4, 5, 6, 7, 4}, {{2, 1}, {1, 1}}, l);
  EXPECT_EQ(pair.input, (Ids{4, 5, 9, 7, 8, 1}));
  EXPECT_EQ(pair.target, (Ids{9, 6, 8, 4, 1}));
  // Fewer than two ids: nothing is dropped.
  for (const Ids& ids : {Ids{}, Ids{4}}) {
    const LanguagePair whole = corrupt_spans(ids, draw_spans(int64_t(ids.size()), {}, {1, 1}), l);
    EXPECT_EQ(whole.input.size(), ids.size() + 1);
    EXPECT_EQ(whole.target, Ids{1});
  }
  error_of(ErrorCode::runtime, [&] { corrupt_spans({4}, {{1, 1}, {1}}, l); });
  error_of(ErrorCode::runtime, [&] { corrupt_spans({4}, {{1}, {1}}, l); });
  EXPECT_NE(error_of(ErrorCode::runtime,
                     [&] {
                       corrupt_spans(Ids(6, 4), {{1, 1, 1}, {1, 1, 1}}, l);
                     })
                .find("3 spans, but there are 2 sentinels"),
            std::string::npos);
  // Half of the ids in spans of one: no more spans than ids that are kept.
  const Spans dense = draw_spans(9, {.noise = 0.9, .mean_span = 1}, {1, 1});
  EXPECT_EQ(dense.kept, std::vector<int64_t>{1});
  EXPECT_EQ(dense.dropped, std::vector<int64_t>{8});
}

TEST(SpanCorruption, CompositionsAreEquallyLikely) {
  std::map<std::vector<int64_t>, int> seen;
  const int n = 6000;
  for (int i = 0; i < n; ++i) ++seen[random_composition(5, 3, {9, uint64_t(i)})];
  EXPECT_EQ(seen.size(), 6u);  // C(4, 2)
  for (const auto& [lengths, count] : seen) {
    EXPECT_EQ(std::accumulate(lengths.begin(), lengths.end(), int64_t{0}), 5);
    EXPECT_NEAR(count, n / 6, 120);
  }
  EXPECT_EQ(random_composition(4, 1, {1, 1}), std::vector<int64_t>{4});
  EXPECT_EQ(random_composition(3, 3, {1, 1}), (std::vector<int64_t>{1, 1, 1}));
  error_of(ErrorCode::runtime, [] { random_composition(2, 3, {1, 1}); });
}

TEST(SpanCorruption, OfTextAndOfMotion) {
  const MotionLanguage& l = caption_language();
  const auto is_sentinel = [&](int32_t id) { return id >= l.sentinel(99) && id <= l.sentinel(0); };
  const Filling item{.codes = counted(40), .caption = "a person walks forward, then jumps twice on the spot."};
  for (const Objective what : {Objective::text, Objective::motion}) {
    const std::string text = what == Objective::text ? item.caption : l.motion(item.codes);
    const LanguagePair pair = corrupted_pair(what, item, l, {}, {4, 4});
    // Each sentinel of the input replaced by what the target says it stands for.
    Ids restored;
    for (const int32_t id : pair.input) {
      if (!is_sentinel(id)) {
        restored.push_back(id);
        continue;
      }
      auto at = std::find(pair.target.begin(), pair.target.end(), id) + 1;
      while (*at != l.end() && !is_sentinel(*at)) restored.push_back(*at++);
    }
    EXPECT_EQ(restored, l.encode(text, 256));
    EXPECT_GT(pair.target.size(), 3u);
  }
  EXPECT_EQ(corrupted_pair(Objective::text, {.codes = {}, .caption = ""}, l, {}, {1, 1}).input, Ids{l.end()});
  const LanguagePair motionless = corrupted_pair(Objective::motion, {.codes = {}, .caption = ""}, l, {}, {1, 1});
  EXPECT_EQ(motionless.input, (Ids{l.motion_id(512), l.sentinel(0), l.end()}));
  EXPECT_EQ(motionless.target, (Ids{l.sentinel(0), l.motion_id(513), l.end()}));
  const LanguagePair cut = corrupted_pair(Objective::motion, {.codes = Ids(515, 3), .caption = ""}, l, {}, {1, 1});
  EXPECT_EQ(cut.input.size(), 255u - 38 + 13 + 1);
  error_of(ErrorCode::runtime, [&] { corrupted_pair(Objective::supervised, item, l, {}, {1, 1}); });
}

TEST(Objectives, OneFifthOneFifthThreeFifths) {
  std::map<Objective, int> seen;
  const int n = 10000;
  for (int i = 0; i < n; ++i) ++seen[draw_objective({6, uint64_t(i)})];
  EXPECT_NEAR(seen[Objective::text], n / 5, 160);
  EXPECT_NEAR(seen[Objective::motion], n / 5, 160);
  EXPECT_NEAR(seen[Objective::supervised], 3 * n / 5, 200);
}

TEST(SequenceConfig, AsJson) {
  SequenceConfig config;
  config.as_released = true, config.quoted = 0.25;
  EXPECT_EQ(to_json(read_config<SequenceConfig>(to_json(config), "c")), to_json(config));
}

}  // namespace
}  // namespace kg
