// Embedding what is judged, and the metrics of generated motions (Guo et al. 2022, section 5).
#include "tools/common/evaluate/evaluation.h"

#include <algorithm>
#include <cmath>

#include "models/model_file.h"
#include "tools/common/evaluate/run.h"
#include "tools/common/train/progress.h"

namespace kg::tools {
namespace {

constexpr int kPool = 32, kTop = 3;
constexpr int64_t kDiversityPairs = 300, kMultimodalityPairs = 10;
constexpr int kReference = 0, kTruth = 1;  // versions of the crops: what FID compares with; the truth's own column
constexpr uint64_t kMultimodality = uint64_t(Draw::multimodality);

}  // namespace

ReportRow& EvaluationRun::row(const std::string& group, const std::string& name, int64_t items, int64_t repeats,
                              int decimals) {
  ReportRow row;
  row.group = group;
  row.name = name;
  row.items = items;
  row.repeats = repeats;
  row.decimals = decimals;
  result_.report.rows.push_back(row);
  return result_.report.rows.back();
}

// Motions of another program were made from the first captions.
std::vector<int64_t> EvaluationRun::picks(int repeat) const {
  std::vector<int64_t> picks;
  for (int64_t i = 0; i < set_.size(); ++i) picks.push_back(contender_.ready.empty() ? set_.caption(i, repeat) : 0);
  return picks;
}

Tensor EvaluationRun::texts_of(const std::vector<int64_t>& picks) const {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < picks.size(); ++i) rows.push_back(set_.first[i] + picks[i]);
  return gather_rows(captions_, rows);
}

std::vector<Tensor> EvaluationRun::whole_motions() const {
  std::vector<Tensor> motions;
  for (int64_t i = 0; i < set_.size(); ++i) motions.push_back(set_.item(i).features);
  return motions;
}

std::vector<Tensor> EvaluationRun::crops(int version) const {
  std::vector<Tensor> motions;
  for (int64_t i = 0; i < set_.size(); ++i) motions.push_back(set_.cropped(i, version));
  return motions;
}

MotionRequest EvaluationRun::request(int64_t item, int64_t caption, uint64_t stream) const {
  const Item& asked = set_.item(item);
  const int64_t frames = contender_.needs_length ? std::min(asked.features.size(0), kEvaluatedFrames) : 0;
  return {asked.captions[size_t(caption)].text, stream, frames};
}

std::vector<Tensor> EvaluationRun::generate(int repeat) const {
  const std::vector<int64_t> chosen = picks(repeat);
  std::vector<MotionRequest> requests;
  for (int64_t i = 0; i < set_.size(); ++i)
    requests.push_back(request(i, chosen[size_t(i)], (uint64_t(repeat) << 32) + uint64_t(i)));
  return contender_.generate(requests);
}

void EvaluationRun::facts() {
  Report& report = result_.report;
  report.title = "Evaluation";
  if (!contender_.name.empty()) report.facts.emplace_back("model", contender_.name);
  report.facts.emplace_back("items", std::to_string(set_.size()) + " (" + set_.data.summary() + ")");
  report.facts.emplace_back("skeleton", set_.data.skeleton.name);
  if (embedder_) report.facts.emplace_back("evaluator", embedder_->name);
  const int64_t dropped = set_.data.with_bad_caption, bad = int64_t(set_.data.bad_captions.size());
  if (bad > 0)
    note(std::to_string(bad) + " caption lines could not be read" +
         (dropped > 0 ? "; their " + std::to_string(dropped) + " clips are left out (--published-protocol)"
                      : " and are left out; their clips keep their other captions"));
  if (set_.left_over > 0)
    note(std::to_string(set_.left_over) + " items that fill no batch of 32 are left out (--published-protocol)");
  report.facts.emplace_back("repeats", std::to_string(options_.repeats));
  report.facts.emplace_back("seed", std::to_string(set_.seed));
  if (contender_.generate && options_.generations_once)
    note("one generation serves all repeats (--generations-once): intervals are those of pools and subsets only");
  if (!contender_.ready.empty())
    note(
        "the motions are ready ones, taken as made from each item's first caption: intervals are those of pools and "
        "subsets only");
  if (embedder_ && !embedder_->official)
    note("the evaluator is not the published one: its numbers compare with each other, not with those of papers");
  if (!embedder_)
    note(
        "FID, R-Precision, MM-Dist, Diversity, MModality, retrieval and rareness need --evaluator RUN; train one with "
        "train_evaluator --data DIR --out RUN");
}

GenerationScores EvaluationRun::score(const std::vector<Tensor>& texts, const std::vector<Tensor>& motions,
                                      const FidReference* fid, bool shuffle) const {
  GenerationProtocol protocol;
  protocol.repeats = options_.repeats;
  protocol.seed = set_.seed;
  protocol.pool = int(std::min<int64_t>(kPool, set_.size()));
  protocol.top = kTop;
  protocol.diversity_pairs = kDiversityPairs;
  protocol.shuffle_texts = shuffle;
  return score_generation(texts, motions, fid, protocol);
}

void EvaluationRun::embed_truth() {
  captions_ = embed_captions(*embedder_, set_);
  reference_ = embed_motions(*embedder_, crops(kReference), "ground truth, item");
  truth_ = embed_motions(*embedder_, crops(kTruth), "ground truth, item");
  fid_ = std::make_unique<FidReference>(reference_);
  std::vector<Tensor> texts;
  for (int repeat = 0; repeat < options_.repeats; ++repeat) {
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < set_.size(); ++i) rows.push_back(set_.caption(i, repeat));
    texts.push_back(texts_of(rows));
  }
  truth_scores_ = score(texts, {truth_}, fid_.get());
  random_scores_ = score(texts, {truth_}, nullptr, true);
}

void EvaluationRun::embed_contender() {
  if (!from_text()) return;
  Progress progress("motions", 0, generations(), options_.quiet);
  for (int repeat = 0; repeat < generations(); ++repeat) {
    std::vector<Tensor> motions = contender_.generate ? generate(repeat) : contender_.ready;
    if (embedder_) {
      motions_.push_back(embed_motions(*embedder_, motions, "the model's motion"));
      texts_.push_back(texts_of(picks(repeat)));
    }
    if (repeat == 0) first_ = std::move(motions);
    progress.update(repeat + 1, {});
    if (!embedder_) break;
  }
  if (!embedder_) return;
  const std::vector<int64_t> chosen = picks(0);
  const std::vector<double> distances = pair_distances(texts_[0], motions_[0]);
  for (size_t i = 0; i < chosen.size(); ++i)
    result_.cases.push_back({int64_t(i), chosen[i], first_[i], distances[i], 0});
}

std::string EvaluationRun::fid_remark(int64_t items) const {
  const int64_t width = truth_.size(1);
  return items < 2 * width ? "fewer items than twice the embedding's " + std::to_string(width) + " numbers: too high"
                           : "";
}
std::string EvaluationRun::diversity_remark(int64_t pairs) const {
  return pairs < kDiversityPairs ? "fewer than 300 items: subsets of " + std::to_string(pairs) : "";
}

void EvaluationRun::add_published(ReportRow& r) const {
  if (!contender_.system || !embedder_ || !embedder_->official || !options_.published_items) return;
  for (const PublishedValue& known : contender_.system->published) {
    if (r.name != known.metric || r.group != known.group) continue;
    r.published = {known.value, known.half_width};
    r.source = known.source ? known.source : contender_.system->published_in;
    const std::string truth = known.truth;
    if (!truth.empty()) r.note += (r.note.empty() ? "" : "; ") + ("real motions in the same publication: " + truth);
  }
}

// The rows of a group whose motions are `model`'s (its `items` are 0 where there is no model).
void EvaluationRun::add_scores(const std::string& group, const GenerationScores& model) {
  const bool judged = model.items > 0;
  const int64_t pool = std::min<int64_t>(kPool, set_.size());
  const std::string few = pool < kPool ? "fewer than 32 items: one pool of all of them, chance is higher" : "";
  const auto add = [&](const std::string& name, const Interval& own, const Interval& truth, const Interval& random,
                       int64_t items, const std::string& remark = "") {
    const bool once = std::isnan(truth.half_width) && std::isnan(own.half_width);
    ReportRow& r = row(group, name, items, once ? 1 : options_.repeats);
    if (judged) r.model = own;
    r.truth = truth, r.random = random, r.note = remark;
    add_published(r);
  };
  for (int k = 0; k < kTop; ++k)
    add("R-Precision top " + std::to_string(k + 1), judged ? model.r_precision[size_t(k)] : Interval{},
        truth_scores_.r_precision[size_t(k)], random_scores_.r_precision[size_t(k)], truth_scores_.matched_items, few);
  add("FID", model.fid, truth_scores_.fid, {}, set_.size(), fid_remark(set_.size()));
  add("MM-Dist", model.mm_dist, truth_scores_.mm_dist, random_scores_.mm_dist, truth_scores_.matched_items);
  add("Diversity", model.diversity, truth_scores_.diversity, {}, set_.size(),
      diversity_remark(truth_scores_.diversity_pairs));
}

void EvaluationRun::generation() {
  const GenerationScores model = from_text() ? score(texts_, motions_, fid_.get()) : GenerationScores{};
  add_scores(from_text() ? "text to motion" : "ground truth", model);
}

void EvaluationRun::multimodality() {
  const int64_t texts = std::min(options_.multimodality_texts, set_.size()), count = options_.multimodality_generations;
  ShuffledOrder order(set_.size(), set_.size(), mix(set_.seed, kMultimodality));
  std::vector<MotionRequest> requests;
  for (int64_t t = 0; t < texts; ++t) {
    const int64_t i = order.at(t);
    for (int64_t g = 0; g < count; ++g)
      requests.push_back(request(i, set_.caption(i, 0), kMultimodality + uint64_t(t * count + g)));
  }
  const Tensor rows = embed_motions(*embedder_, contender_.generate(requests), "the model's motion");
  const Tensor embedded = rows.reshape({texts, count, rows.size(1)});
  std::vector<double> values;
  for (int repeat = 0; repeat < options_.repeats; ++repeat)
    values.push_back(kg::multimodality(embedded, draw(set_.seed, repeat, Draw::multimodality), kMultimodalityPairs));
  ReportRow& r = row("text to motion", "MModality", texts, options_.repeats);
  r.model = interval_of(values);
  r.note = std::to_string(count) + " motions for each of " + std::to_string(texts) +
           " texts, generated once: the interval is that of the pairs";
  add_published(r);
}

Evaluation EvaluationRun::run() {
  facts();
  if (embedder_) embed_truth();
  embed_contender();
  if (embedder_) {
    if (wanted("generation")) generation();
    if (wanted("multimodality") && contender_.generate) multimodality();
    if (wanted("retrieval")) retrieval();
    if (wanted("rareness") && from_text()) rareness();
  }
  if (wanted("reconstruction") && contender_.reconstruct) reconstruction();
  if (wanted("plausibility")) plausibility();
  if (wanted("captions") && (!contender_.captions.empty() || contender_.write_captions)) captioning();
  for (const char* group : {"prediction", "between"}) {
    if (!wanted(group)) continue;
    if (contender_.complete) completion(group);
    if (!contender_.ready.empty()) ready_completion(group);
  }
  if (wanted("noise") && embedder_) noise();
  return std::move(result_);
}

std::set<std::string> unasked_groups() {
  std::set<std::string> groups;
  for (const MetricGroup& group : kMetricGroups)
    if (group.unasked) groups.insert(group.name);
  return groups;
}

Evaluation evaluate(const EvaluationSet& set, const Contender& contender, const Embedder* embedder,
                    const EvaluationOptions& options) {
  // Skeletons of as many joints have as many features: the numbers would look right.
  if (embedder) check_same_skeleton(set.data.skeleton, embedder->skeleton, "the evaluator " + embedder->name);
  return EvaluationRun(set, contender, embedder, options).run();
}

namespace {
// What `make` makes of a list, `batch` of it at a time.
template <class T, class Make>
auto in_batches(const std::vector<T>& all, size_t batch, Make&& make) {
  decltype(make(all)) made;
  for (size_t first = 0; first < all.size(); first += batch) {
    const size_t last = std::min(all.size(), first + batch);
    for (auto& one : make(std::vector<T>(all.begin() + int64_t(first), all.begin() + int64_t(last))))
      made.push_back(std::move(one));
  }
  return made;
}
}  // namespace

Contender contender_of(TextToMotion& model, const SystemInfo& system, uint64_t seed, size_t batch) {
  Contender contender;
  const TextToMotion::Abilities can = model.abilities();
  contender.system = &system;
  contender.needs_length = !can.own_length;
  if (can.reconstructs)
    contender.reconstruct = [&model](const Tensor& features) { return model.reconstruct(features); };
  if (can.captions)
    contender.write_captions = [&model, batch](const std::vector<Tensor>& motions) {
      return in_batches(motions, batch, [&](const auto& some) { return model.caption(some); });
    };
  if (can.generates)
    contender.generate = [&model, seed, batch](const std::vector<MotionRequest>& requests) {
      return in_batches(requests, batch, [&](const auto& some) { return model.generate(some, seed); });
    };
  if (can.completes) {
    contender.max_frames = std::min(kEvaluatedFrames, model.max_frames());
    contender.complete = [&model, seed, batch](const std::vector<MotionRequest>& requests) {
      return in_batches(requests, batch, [&](const auto& some) { return model.complete(some, seed); });
    };
  }
  return contender;
}

}  // namespace kg::tools
