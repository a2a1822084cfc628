// A whole evaluation: what is judged, by which metrics, into one table with the ground truth and a random control
// beside the model. Text-to-motion metrics follow Guo et al. 2022; the differences are named in the table's notes.
#pragma once

#include <set>

#include "models/text/pretrained.h"
#include "models/text_to_motion.h"
#include "tools/common/evaluate/report.h"
#include "tools/common/evaluate/set.h"

namespace kg::tools {

// What is judged; whatever is missing is left out of the table.
struct Contender {
  std::string name;
  std::function<std::vector<Tensor>(const std::vector<MotionRequest>& requests)> generate = {};
  bool needs_length = false;  // requests say how many frames are wished: those of the ground truth
  std::function<Tensor(const Tensor& features)> reconstruct = {};
  std::function<std::vector<Completion>(const std::vector<MotionRequest>& requests)> complete = {};
  int64_t max_frames = kEvaluatedFrames;   // of a motion that it completes
  std::vector<Tensor> ready = {};          // a motion an item, made from its first caption
  std::vector<std::string> captions = {};  // a caption an item, made from its motion; or who writes them:
  std::function<std::vector<std::string>(const std::vector<Tensor>& motions)> write_captions = {};
  const SystemInfo* system = nullptr;  // whose published values stand beside it
};

// Groups of metrics, as --metrics names them, and whether they are made unasked, where the contender allows them.
// prediction and between: the first fifth is given, or the first and the last quarter. Ready motions are not taken for
// completions unasked.
struct MetricGroup {
  const char* name;
  bool unasked;
};
inline constexpr MetricGroup kMetricGroups[] = {
    {"generation", true},   {"multimodality", true}, {"retrieval", true},  {"rareness", true}, {"reconstruction", true},
    {"plausibility", true}, {"captions", true},      {"prediction", true}, {"between", true},  {"noise", false}};
std::set<std::string> unasked_groups();

struct EvaluationOptions {
  std::set<std::string> groups = unasked_groups();
  int repeats = 20;
  bool generations_once = false;  // all repeats judge one generation: the interval is of pools and subsets only
  int64_t multimodality_texts = 100, multimodality_generations = 30;
  bool published_items = false;              // the items are those of published tables: all of HumanML3D's test split
  std::filesystem::path data;                // whose training captions rareness looks at
  const PretrainedText* language = nullptr;  // a BERT-like model, for BERTScore and the similarity of captions
  bool quiet = false;
};

// A case for the pictures: an item, the caption it was asked with, what came out, and how far that is from the text.
struct Case {
  int64_t item = 0, caption = 0;
  Tensor motion;
  double distance = 0, rareness = 0;
};

struct Curve {
  std::string name;
  std::vector<double> x, y;
};

struct Evaluation {
  Report report;
  std::vector<Case> cases;    // of the first repeat, where there is an embedder; else empty
  std::vector<Curve> recall;  // R@k in percent over k
  std::vector<Curve> noise;   // FID over the noise that was added
};

// `embedder` may be null: what needs one is left out, with a note.
Evaluation evaluate(const EvaluationSet& set, const Contender& contender, const Embedder* embedder,
                    const EvaluationOptions& options);

// What a model can do as a contender, which refers to it. Motions are made `batch` at a time.
Contender contender_of(TextToMotion& model, const SystemInfo& system, uint64_t seed, size_t batch);

}  // namespace kg::tools
