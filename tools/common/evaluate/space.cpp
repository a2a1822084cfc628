// Where texts and motions lie in the evaluator's space: retrieval in both directions, and how well rare captions fare.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/formats/file.h"
#include "models/metrics/rareness.h"
#include "models/metrics/retrieval.h"
#include "tools/common/evaluate/run.h"

namespace kg::tools {
namespace {

constexpr int kCurve = 50;      // R@1 .. R@50 in the picture
constexpr int64_t kBatch = 32;  // of the protocol of small batches
// Texts (first captions, or those that the model was asked) and motions, pair by pair.
struct Pairs {
  Tensor texts, motions;
  std::vector<std::string> captions;
};

// Similarities and the scores of every protocol that they allow.
struct Scores {
  Retrieval all, same_caption, like_caption, batches;
  std::vector<double> curve;
};
Scores scores_of(const Pairs& pairs, const PretrainedText* language, uint64_t seed) {
  const Tensor similarity = cosine_similarity(pairs.texts, pairs.motions);
  const int64_t n = similarity.size(0);
  Scores s{retrieve(similarity), retrieve_same_caption(similarity, pairs.captions), {}, {}, {}};
  if (language) {
    const Tensor sentences = sentence_vectors(*language, pairs.captions);
    s.like_caption = retrieve_by_threshold(similarity, affine(cosine_similarity(sentences, sentences), .5, .5));
  }
  if (n >= kBatch)
    s.batches = retrieve_small_batches(similarity, random_order(n, {seed, uint64_t(Draw::shuffled_motions)}), kBatch);
  s.curve = recall_curve(target_ranks(similarity), int(std::min<int64_t>(kCurve, n)));
  return s;
}

std::string caption_text(const EvaluationSet& set, int64_t item, int64_t caption) {
  return set.item(item).captions[size_t(caption)].text;
}

// Token lists of all training captions, each once.
std::vector<std::vector<std::string>> training_tokens(const std::filesystem::path& data) {
  std::set<std::vector<std::string>> tokens;
  for (const std::string& name : read_split(data, "train", true)) {
    const std::filesystem::path path = data / "texts" / (name + ".txt");
    if (!std::filesystem::exists(path)) continue;
    std::vector<std::string> bad;  // the loader of the set reports them
    std::vector<Caption> captions = parse_captions(read_file(path, 16 << 20), path.string(), &bad);
    tag_untagged(captions);
    for (Caption& caption : captions) tokens.insert(std::move(caption.tokens));
  }
  return {tokens.begin(), tokens.end()};
}

}  // namespace

void EvaluationRun::retrieval() {
  const std::vector<int64_t> first(size_t(set_.size()), 0), asked = picks(0);
  Pairs truth{texts_of(first), truth_, {}}, random = truth, model;
  for (int64_t i = 0; i < set_.size(); ++i) truth.captions.push_back(caption_text(set_, i, 0));
  const std::vector<int64_t> shuffled =
      random_order(set_.size(), {set_.seed, mix(uint64_t(Draw::shuffled_motions), 1)});
  random.texts = gather_rows(truth.texts, shuffled);
  for (const int64_t i : shuffled) random.captions.push_back(truth.captions[size_t(i)]);
  const PretrainedText* language = options_.language;
  const Scores real = scores_of(truth, language, set_.seed), chance = scores_of(random, language, set_.seed);
  Scores own;
  if (from_text()) {
    model = {texts_[0], motions_[0], {}};
    for (int64_t i = 0; i < set_.size(); ++i) model.captions.push_back(caption_text(set_, i, asked[size_t(i)]));
    own = scores_of(model, language, set_.seed);
  }
  const auto add = [&](const std::string& group, const auto& pick) {
    const RetrievalScores &r = pick(real), &c = pick(chance), &o = pick(own);
    for (size_t k = 0; k <= kRecallAt.size(); ++k) {
      const auto value = [&](const RetrievalScores& s) {
        return s.queries == 0 ? Interval{} : single(k < kRecallAt.size() ? s.recall[k] : s.median_rank);
      };
      const std::string name = k < kRecallAt.size() ? "R@" + std::to_string(kRecallAt[k]) + ", %" : "median rank";
      ReportRow& line = row(group, name, r.queries, 1, 2);
      line.model = value(o), line.truth = value(r), line.random = value(c);
    }
  };
  add("retrieval, text to motion", [](const Scores& s) { return s.all.text_to_motion; });
  add("retrieval, motion to text", [](const Scores& s) { return s.all.motion_to_text; });
  add("retrieval, text to motion, equal captions count", [](const Scores& s) { return s.same_caption.text_to_motion; });
  add("retrieval, motion to text, equal captions count", [](const Scores& s) { return s.same_caption.motion_to_text; });
  if (language) {
    add("retrieval, text to motion, like captions count",
        [](const Scores& s) { return s.like_caption.text_to_motion; });
    add("retrieval, motion to text, like captions count",
        [](const Scores& s) { return s.like_caption.motion_to_text; });
    note("like captions: (1 + cosine) / 2 above 0.95 by the sentence vectors of " + language->origin().file.string());
  } else {
    note("retrieval where like captions count is left out: it needs a sentence encoder, --language-model bert:FILE");
  }
  if (set_.size() >= kBatch) {
    add("retrieval, text to motion, among 32", [](const Scores& s) { return s.batches.text_to_motion; });
    add("retrieval, motion to text, among 32", [](const Scores& s) { return s.batches.motion_to_text; });
  } else {
    note("retrieval among 32 is left out: " + std::to_string(set_.size()) + " items");
  }
  note(
      "retrieval is by cosine in the evaluator's space, first captions; TMR's subset of dissimilar items needs its "
      "list "
      "and is left out");
  std::vector<double> k(real.curve.size());
  std::iota(k.begin(), k.end(), 1.);
  if (from_text()) result_.recall.push_back({"model", k, own.curve});
  result_.recall.push_back({"ground truth", k, real.curve});
  result_.recall.push_back({"random", k, chance.curve});
}

void EvaluationRun::rareness() {
  const auto training = training_tokens(options_.data);
  if (training.empty()) {
    note("rareness is left out: " + options_.data.string() + " has no training captions");
    return;
  }
  const std::vector<double> rare = kg::rareness(texts_[0], embedder_->texts(training));
  std::vector<double> distances;
  for (Case& c : result_.cases) {
    c.rareness = rare[size_t(c.item)];
    distances.push_back(c.distance);
  }
  const std::vector<double> real = pair_distances(texts_[0], truth_);
  const int64_t n = set_.size(), tail = int64_t(rarest(rare).size());
  const char* group = "rareness";
  const auto add = [&](const std::string& name, int64_t items, double own, double truth, const std::string& remark) {
    ReportRow& r = row(group, name, items, 1);
    r.model = single(own), r.truth = single(truth), r.note = remark;
  };
  add("MM-Dist, rarest 5 %", tail, tail_mm_dist(rare, distances), tail_mm_dist(rare, real),
      "by the cosine to the nearest of " + std::to_string(training.size()) +
          " training captions in the evaluator's space");
  if (tail >= 2) {
    const Philox random = draw(set_.seed, 0, Draw::rare_motions);
    const Diversity own = tail_diversity(rare, motions_[0], random), truth = tail_diversity(rare, truth_, random);
    add("Diversity, rarest 5 %", tail, own.value, truth.value, std::to_string(own.pairs) + " pairs");
  }
  for (const int bins : {100, 10})
    add("balanced MM-Dist, " + std::to_string(bins) + " bins", n, balanced_mm_dist(rare, distances, bins),
        balanced_mm_dist(rare, real, bins), "");
}

}  // namespace kg::tools
