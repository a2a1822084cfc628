// What the training steps of the retrievers read, as a function of (seed, step): every clip and every sub-clip is an
// item, each access draws one of its captions and a window, and what an epoch leaves behind its last whole batch is
// dropped. Letters: B pairs of a batch, n those of this process, T frames, D features a frame, W width of the latents.
#pragma once

#include <functional>

#include "data/sets/humanml3d.h"
#include "data/sets/sampling.h"
#include "models/retrieval/retriever.h"
#include "models/text/features.h"
#include "nn/distributed.h"

namespace kg {

// Rows (captions, any width) whose cosines say how much alike captions are.
using CaptionVectors = std::function<Tensor(const std::vector<std::string>&)>;
// One number a word that these captions have: how often, times ln(captions / captions of the data set with it) + 1.
CaptionVectors word_vectors(const std::vector<std::string>& data_set);
// The features that a frozen encoder has of these captions, kept in the folder `cache`.
CaptionVectors feature_vectors(const TextEncoder& text, std::vector<std::string> data_set,
                               const std::filesystem::path& cache);

struct RetrievalPairs {               // on the CPU
  std::vector<Tensor> motions;        // n of (T, D), normalised
  std::vector<std::string> captions;  // n
  int64_t longest = 0;                // frames of the longest motion of all B
  Tensor targets, ids;                // i32 (n), i32 (B): the items' numbers
  Tensor mask, noise;                 // u8 (n, B), (2, n, W), or undefined
};

struct RetrievalBatching {
  int64_t batch = 64;
  uint64_t seed = 0;
  int64_t window = 0;  // frames, of longer motions at a random place; 0: motions are whole
  int64_t noise = 0;   // W; 0: none is drawn
  double filter = 0;   // captions more similar than this, 0 to 1, are no negatives; 0: all are
  CaptionVectors vectors = {};
};

class RetrievalBatches {
 public:
  // The set must outlive it.
  RetrievalBatches(const Dataset& set, const Statistics& statistics, RetrievalBatching options);
  int64_t batches_per_epoch() const { return order_.batches_per_epoch(); }
  // Of one thread at a time.
  RetrievalPairs pairs(int64_t step, const Part& part);

  // Pairs as the tensors that a step reads, motions padded to `length` at least, and those tensors, on the device, as
  // what a retriever's loss reads.
  std::vector<Tensor> inputs(const RetrievalPairs& pairs, const Retriever& model, const TextCondition& text,
                             Dtype dtype, int64_t length = 0) const;
  RetrievalBatch batch(const std::vector<Tensor>& inputs, const Retriever& model) const;

 private:
  // Fewer items than a batch come twice in it: they are masked, as they are under a filter.
  bool masks() const { return options_.filter > 0 || int64_t(set_.items.size()) < options_.batch; }
  Tensor pair_mask(const std::vector<int32_t>& ids, const std::vector<std::string>& captions) const;

  const Dataset& set_;
  Statistics statistics_;
  RetrievalBatching options_;
  ShuffledOrder order_;
};

}  // namespace kg
