// What the training steps of the evaluator read: normalised clips, and pairs of motion and caption, as functions of
// (seed, place).
#pragma once

#include "data/sets/humanml3d.h"
#include "data/sets/sampling.h"
#include "models/evaluator/evaluator.h"

namespace kg {

std::vector<Tensor> normalized_clips(const Dataset& set, const Statistics& statistics);

struct MotionTextPairs {
  Tensor motions;  // (B, 196, D), normalised, padded with zeros
  std::vector<int64_t> frames;
  std::vector<std::vector<std::string>> tokens;
};

class PairSource {
 public:
  PairSource(const Dataset& set, const Statistics& statistics, uint64_t seed)
      : set_(set), clips_(normalized_clips(set, statistics)), seed_(seed) {}
  int64_t size() const { return int64_t(clips_.size()); }
  // Items with the caption and the crop that are drawn for the place of each; without places, the first caption and all
  // whole units.
  MotionTextPairs take(const std::vector<int64_t>& items, const std::vector<int64_t>& places = {}) const;

 private:
  const Dataset& set_;
  std::vector<Tensor> clips_;
  uint64_t seed_;
};

// A step's pairs, or the part begin..end of them that a process has: text i is held against the motion `shift` places
// further on in the whole batch. `partner` is i32 (end - begin), into the motions, which where they are a part have those
// of the partners behind their own.
struct MatchingBatch {
  MotionTextPairs pairs;  // tokens of the texts alone
  Tensor partner;
};
MatchingBatch matching_batch(const PairSource& source, const std::vector<int64_t>& items, int64_t step, int64_t shift,
                             int64_t begin, int64_t end);
// i32 (count): (i + shift) % count
Tensor partners(int64_t count, int64_t shift);

}  // namespace kg
