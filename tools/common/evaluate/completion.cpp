// Motions of which a part was given. A completion is judged twice: as published tables have it, what the model wrote
// alone against the whole motion from frame 0 on, and joined with what was given, over the frames that were missing.
#include "data/motion/features.h"
#include "models/metrics/prediction.h"
#include "models/tokenizer/vqvae.h"
#include "tools/common/evaluate/run.h"
#include "tools/common/train/progress.h"

namespace kg::tools {
namespace {

constexpr const char* kPoses =
    "of poses as vectors of 3 J numbers, as MotionGPT has it: about sqrt(J) times an error a joint";

CompletionTask task_named(const std::string& group) {
  return group == "between" ? CompletionTask::between : CompletionTask::prediction;
}

// The whole tokens of an item's motion, of which some frames are missing.
struct Asked {
  int64_t item;
  Tensor real;
  FrameRange missing;
};
std::vector<Asked> asked_of(const EvaluationSet& set, CompletionTask task, int64_t most) {
  std::vector<Asked> asked;
  for (int64_t i = 0; i < set.size(); ++i) {
    const Tensor& features = set.item(i).features;
    const int64_t frames = std::min(features.size(0), most) / kFramesPerToken * kFramesPerToken;
    if (const auto missing = missing_frames(task, frames, given_share(task)))
      asked.push_back({i, features.slice(0, 0, frames).contiguous(), *missing});
  }
  return asked;
}

// As the published code has it: from frame 0 on, as far as both go.
Displacement published_displacement(const std::vector<Asked>& asked, const std::vector<Tensor>& alone,
                                    CompletionTask task, const Skeleton& skeleton) {
  std::vector<Tensor> real, made;
  for (size_t i = 0; i < asked.size(); ++i) {
    const int64_t frames = std::min(asked[i].real.size(0), alone[i].size(0));
    real.push_back(asked[i].real.slice(0, 0, frames));
    made.push_back(alone[i].slice(0, 0, frames));
  }
  return mean_displacement(joints_of(real, skeleton), joints_of(made, skeleton),
                           task == CompletionTask::between ? between_frames : predicted_frames, skeleton);
}

// Over the missing frames. `made` may be too short, where a model wrote too little: its last pose is then held.
Displacement joined_displacement(const std::vector<Asked>& asked, const std::vector<Joints>& real,
                                 std::vector<Joints> made, const Skeleton& skeleton) {
  std::vector<FrameRange> ranges;
  for (size_t i = 0; i < asked.size(); ++i) {
    Joints& motion = made[i];
    const int64_t lacking = asked[i].real.size(0) - int64_t(motion.size());
    const auto last = motion.begin() + (asked[i].missing.end - lacking - 1);  // of what was made
    if (lacking > 0) motion.insert(last + 1, size_t(lacking), Pose(*last));
    ranges.push_back(asked[i].missing);
  }
  return mean_displacement(real, made, ranges, skeleton);
}

// The random control: another item's motion, from its beginning again where it ends.
struct RandomParts {
  std::vector<Tensor> alone, joined;
};
RandomParts random_parts(const EvaluationSet& set, const std::vector<Asked>& asked, CompletionTask task) {
  const std::vector<int64_t> order =
      random_order(set.size(), {set.seed, mix(uint64_t(Draw::shuffled_motions), 2 + uint64_t(task))});
  std::vector<int64_t> other(order.size());
  for (size_t i = 0; i < order.size(); ++i) other[size_t(order[i])] = order[(i + 1) % order.size()];
  RandomParts parts;
  for (const Asked& a : asked) {
    const Tensor& features = set.item(other[size_t(a.item)]).features;
    parts.alone.push_back(features);
    const Tensor joined = a.real.clone();
    for (int64_t t = a.missing.begin; t < a.missing.end; ++t)
      joined.slice(0, t, t + 1).copy_from(features.slice(0, t % features.size(0), t % features.size(0) + 1));
    parts.joined.push_back(joined);
  }
  return parts;
}

using Controls = std::vector<std::pair<std::string, Displacement>>;
Controls controls_of(const std::vector<Asked>& asked, const std::vector<Joints>& real, CompletionTask task,
                     const Skeleton& skeleton) {
  Controls controls;
  const auto add = [&](const char* name, Joints (*control)(Joints, const FrameRange&)) {
    std::vector<Joints> made;
    for (size_t i = 0; i < asked.size(); ++i) made.push_back(control(real[i], asked[i].missing));
    controls.emplace_back(name, joined_displacement(asked, real, std::move(made), skeleton));
  };
  add("pose held", hold_last_pose);
  add("velocity held", constant_velocity);
  if (task == CompletionTask::between) add("straight between", straight_between);
  return controls;
}

std::vector<MotionRequest> requests_of(const EvaluationSet& set, const std::vector<Asked>& asked, CompletionTask task,
                                       int repeat) {
  std::vector<MotionRequest> requests;
  for (const Asked& a : asked) {
    const Item& item = set.item(a.item);
    MotionRequest r{item.captions[size_t(set.caption(a.item, repeat))].text,
                    uint64_t(Draw::completion) + (uint64_t(task) << 48) + (uint64_t(repeat) << 32) + uint64_t(a.item),
                    a.real.size(0)};
    r.beginning = a.real.slice(0, 0, a.missing.begin).contiguous();
    if (a.missing.end < a.real.size(0)) r.end = a.real.slice(0, a.missing.end, a.real.size(0)).contiguous();
    requests.push_back(std::move(r));
  }
  return requests;
}

}  // namespace

struct CompletionScores {
  struct Series {  // a value a repeat
    std::vector<double> ade, fde, fid, diversity;
  };
  std::string group;
  int64_t items = 0, repeats = 0, lacking = 0, diversity_pairs = 0;
  Series published, joined;
  Displacement random_published, random_joined;
  Controls controls;
};

void EvaluationRun::completion(const std::string& group) {
  const CompletionTask task = task_named(group);
  const Skeleton& skeleton = set_.data.skeleton;
  const std::vector<Asked> asked = asked_of(set_, task, contender_.max_frames);
  if (const int64_t few = set_.size() - int64_t(asked.size()); few > 0)
    note(group + ": " + std::to_string(few) + " items are left out: they are shorter than " +
         std::to_string(fewest_frames(task, given_share(task))) + " frames");
  if (asked.empty()) return;
  std::vector<Tensor> originals;
  for (const Asked& a : asked) originals.push_back(a.real);
  const std::vector<Joints> real = joints_of(originals, skeleton);
  const int repeats = options_.generations_once ? 1 : options_.repeats;
  CompletionScores scores;
  scores.group = group, scores.items = int64_t(asked.size()), scores.repeats = repeats;
  Progress progress(group, 0, repeats, options_.quiet);
  for (int repeat = 0; repeat < repeats; ++repeat) {
    std::vector<Tensor> alone, whole;
    for (Completion& made : contender_.complete(requests_of(set_, asked, task, repeat))) {
      scores.lacking += made.joined.size(0) < originals[whole.size()].size(0);
      alone.push_back(std::move(made.alone)), whole.push_back(std::move(made.joined));
    }
    const Displacement p = published_displacement(asked, alone, task, skeleton),
                       j = joined_displacement(asked, real, joints_of(whole, skeleton), skeleton);
    scores.published.ade.push_back(p.ade), scores.published.fde.push_back(p.fde);
    scores.joined.ade.push_back(j.joint_ade), scores.joined.fde.push_back(j.joint_fde);
    if (embedder_)
      for (const auto& [motions, series] : {std::pair{&alone, &scores.published}, {&whole, &scores.joined}}) {
        const Tensor rows = embed_motions(*embedder_, *motions, "the model's completion");
        series->fid.push_back((*fid_)(rows));
        const Diversity spread = diversity(rows, draw(set_.seed, 2 * repeat + int(task), Draw::completion));
        series->diversity.push_back(spread.value);
        scores.diversity_pairs = spread.pairs;
      }
    progress.update(repeat + 1, {});
  }
  const RandomParts random = random_parts(set_, asked, task);
  scores.random_published = published_displacement(asked, random.alone, task, skeleton);
  scores.random_joined = joined_displacement(asked, real, joints_of(random.joined, skeleton), skeleton);
  scores.controls = controls_of(asked, real, task, skeleton);
  completion_rows(scores);
}

void EvaluationRun::completion_rows(const CompletionScores& s) {
  const auto add = [&](const char* name, const std::vector<double>& values, const std::string& remark) -> ReportRow& {
    ReportRow& r = row(s.group, name, s.items, s.repeats);
    r.model = interval_of(values), r.note = remark;
    add_published(r);
    return r;
  };
  const auto add_space = [&](const char* fid, const char* diversity, const CompletionScores::Series& series) {
    if (!embedder_) return;
    add(fid, series.fid, fid_remark(s.items)).truth = truth_scores_.fid;
    add(diversity, series.diversity, diversity_remark(s.diversity_pairs)).truth = truth_scores_.diversity;
  };
  const std::string alone = std::string(kPoses) + "; what was written alone, laid from frame 0 of the whole motion on";
  add("ADE, as published", s.published.ade, alone).random = single(s.random_published.ade);
  add("FDE, as published", s.published.fde, alone).random = single(s.random_published.fde);
  add_space("FID, as published", "Diversity, as published", s.published);
  const char* missing = "over the missing frames, joined with what was given";
  ReportRow& average = add("ADE a joint, m", s.joined.ade, missing);
  average.random = single(s.random_joined.joint_ade);
  for (const auto& [name, error] : s.controls) average.controls.emplace_back(name, single(error.joint_ade));
  ReportRow& final = add("FDE a joint, m", s.joined.fde, missing);
  final.random = single(s.random_joined.joint_fde);
  for (const auto& [name, error] : s.controls) final.controls.emplace_back(name, single(error.joint_fde));
  add_space("FID", "Diversity", s.joined);
  note(s.group +
       ": completions are asked for at the length of the ground truth, in whole tokens; only what is given is " +
       "encoded");
  if (s.lacking > 0)
    note(s.group + ": " + std::to_string(s.lacking) + " completions are shorter than that; their last pose is held");
}

// Ready motions that were given a part of the ground truth; both are looked at as far as both go.
void EvaluationRun::ready_completion(const std::string& group) {
  std::vector<Tensor> real, made;
  for (int64_t i = 0; i < set_.size(); ++i) {
    const Tensor &truth = set_.item(i).features, &motion = contender_.ready[size_t(i)];
    const int64_t frames = std::min(truth.size(0), motion.size(0));
    CHECK_INPUT(std::max(truth.size(0), motion.size(0)) - frames < kFramesPerToken, set_.item(i).name, ": ",
                motion.size(0), " frames, the ground truth has ", truth.size(0),
                ": a completion must be as long as what it completes");
    real.push_back(truth.slice(0, 0, frames));
    made.push_back(motion.slice(0, 0, frames));
  }
  const Skeleton& skeleton = set_.data.skeleton;
  const Displacement error = mean_displacement(joints_of(real, skeleton), joints_of(made, skeleton),
                                               group == "between" ? between_frames : predicted_frames, skeleton);
  const auto add = [&](const char* name, double value, const char* remark) {
    ReportRow& r = row(group, name, set_.size(), 1);
    r.model = single(value), r.note = remark;
  };
  add("ADE", error.ade, kPoses);
  add("FDE", error.fde, kPoses);
  add("ADE a joint, m", error.joint_ade, "");
  add("FDE a joint, m", error.joint_fde, "");
}

}  // namespace kg::tools
