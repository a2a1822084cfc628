// The inside of an evaluation: what its groups of metrics share. Every embedding is made once, (N, W) f32.
#pragma once

#include <memory>

#include "models/metrics/generation.h"
#include "tools/common/evaluate/evaluation.h"

namespace kg::tools {

struct CompletionScores;  // of completion.cpp

class EvaluationRun {
 public:
  EvaluationRun(const EvaluationSet& set, const Contender& contender, const Embedder* embedder,
                const EvaluationOptions& options)
      : set_(set), contender_(contender), embedder_(embedder), options_(options) {}
  Evaluation run();

 private:
  // evaluation.cpp
  void facts();
  void embed_truth();
  void embed_contender();
  void generation();
  void multimodality();
  // space.cpp: where texts and motions lie
  void retrieval();
  void rareness();
  // motion.cpp: motions frame by frame, and what noise does to them
  void reconstruction();
  void plausibility();
  void noise();
  // completion.cpp: motions of which a part was given
  void completion(const std::string& group);
  void completion_rows(const CompletionScores& scores);
  void ready_completion(const std::string& group);
  // captions.cpp
  void captioning();
  void matching_captions(const std::vector<std::string>& captions);
  void caption_facts(const std::vector<std::string>& captions, const std::vector<std::string>& shuffled);

  bool wanted(const char* group) const { return options_.groups.contains(group); }
  bool from_text() const { return contender_.generate || !contender_.ready.empty(); }
  int generations() const { return contender_.generate && !options_.generations_once ? options_.repeats : 1; }
  std::vector<int64_t> picks(int repeat) const;  // which caption of each item the contender is asked in a repeat
  Tensor texts_of(const std::vector<int64_t>& picks) const;
  std::vector<Tensor> whole_motions() const;
  std::vector<Tensor> crops(int version) const;
  MotionRequest request(int64_t item, int64_t caption, uint64_t stream) const;
  std::vector<Tensor> generate(int repeat) const;
  GenerationScores score(const std::vector<Tensor>& texts, const std::vector<Tensor>& motions, const FidReference* fid,
                         bool shuffle = false) const;
  void add_scores(const std::string& group, const GenerationScores& model);
  std::string fid_remark(int64_t items) const;  // on few items; else empty
  std::string diversity_remark(int64_t pairs) const;
  void add_published(ReportRow& row) const;  // under the published evaluator and items alone
  ReportRow& row(const std::string& group, const std::string& name, int64_t items, int64_t repeats, int decimals = 3);
  void note(const std::string& text) { result_.report.notes.push_back(text); }

  const EvaluationSet& set_;
  const Contender& contender_;
  const Embedder* embedder_;
  const EvaluationOptions& options_;
  Evaluation result_;

  Tensor captions_;                      // of all captions of all items
  Tensor reference_, truth_;             // of two crops of the items
  std::unique_ptr<FidReference> fid_;    // to the first of them
  std::vector<Tensor> texts_, motions_;  // of the contender: one for each repeat, or one for all
  std::vector<Tensor> first_;            // the contender's motions of the first repeat
  GenerationScores truth_scores_, random_scores_;
};

// Recovered from features, in parallel.
std::vector<Joints> joints_of(const std::vector<Tensor>& motions, const Skeleton& skeleton);

inline Interval single(double value) { return {value, std::numeric_limits<double>::quiet_NaN()}; }

}  // namespace kg::tools
