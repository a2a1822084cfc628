// What an evaluation is made on: the items of a split, the captions and crops that each repeat draws, and their
// embeddings by an evaluator network. Embeddings are f32 (N, W) rows in the order of the items.
#pragma once

#include <functional>

#include "data/sets/humanml3d.h"
#include "data/sets/sampling.h"

namespace kg::tools {

// A network that puts texts and motions into one space: models/evaluator, or a stand-in in tests.
struct Embedder {
  std::string name;                 // for the table: which run, by what checksum
  bool official = false;            // the published weights, whose numbers can be compared with papers
  Skeleton skeleton = humanml3d();  // of the motions that it sees
  Statistics statistics;            // what motions are normalised with before they are embedded
  // (B, T, 263) normalised, zero padded; frames of each -> (B, W)
  std::function<Tensor(const Tensor& features, const std::vector<int64_t>& frames)> motions;
  // word/POS of each -> (B, W)
  std::function<Tensor(const std::vector<std::vector<std::string>>& tokens)> texts;
};

inline constexpr int64_t kEvaluatedFrames = 196;  // the evaluators see no more
inline constexpr int64_t kFewestItems = 3;        // R-Precision top 3 needs them

struct EvaluationSet {
  Dataset data;
  uint64_t seed = 0;
  int64_t left_over = 0;   // items that fill no batch of 32, dropped under the published protocol
  std::vector<int> first;  // of item i in the list of all captions

  int64_t size() const { return int64_t(data.items.size()); }
  const Item& item(int64_t i) const { return data.items[size_t(i)]; }
  // Which caption of item i a repeat draws, and which crop (whole units of 4 frames, 196 at most).
  int64_t caption(int64_t i, int repeat) const;
  Crop crop(int64_t i, int version) const;
  Tensor cropped(int64_t i, int version) const;
};
// The first `limit` items in a random order where limit > 0. `published`: what is read is what the published evaluation
// reads: no clip with a bad caption line, and whole batches of 32 items.
EvaluationSet load_evaluation_set(const std::filesystem::path& root, const std::string& split, int64_t limit,
                                  uint64_t seed, bool published = false);

// Rows for motions (T, 263); what is beyond 196 frames is not seen. An Error that says `what` and the number of the
// motion for one that is not finite or has fewer than 4 frames.
Tensor embed_motions(const Embedder& embedder, const std::vector<Tensor>& motions, const std::string& what);
// A row for each caption of each item, all items' captions in one list.
Tensor embed_captions(const Embedder& embedder, const EvaluationSet& set);
// The rows of a list, (N, W).
Tensor gather_rows(const Tensor& rows, const std::vector<int64_t>& which);

// Motions NAME.npy (T, 263) of another program for every item. Errors (input) name the file: missing, of another shape,
// not finite, shorter than 4 frames.
std::vector<Tensor> read_motions(const std::filesystem::path& folder, const EvaluationSet& set);
// Captions of another program for every item: a table, name <tab> caption. Errors (input):
// an item without one or with two.
std::vector<std::string> read_captions(const std::filesystem::path& path, const EvaluationSet& set);

}  // namespace kg::tools
