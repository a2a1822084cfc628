// Batches of MotionGPT's training: pairs of like length together, so that little padding is computed, at lengths from a
// small ladder, so that shapes come again and a step can be captured for each. Every pair of an
// epoch, an item with a sub-task, comes once, sub-tasks are equally frequent and shuffled, and all of it is a function
// of (seed, place): a run resumes from the number of its step alone.
#pragma once

#include "data/sets/sampling.h"
#include "models/motiongpt/sequences.h"
#include "models/t2m_gpt/batches.h"

namespace kg {

struct LanguageLengths {
  int64_t input = 0, target = 0;
};
// The ladder: inputs are rounded up to multiples of 8, targets of 4 up to 16 and of 8 from there. Where lengths are
// those of HumanML3D that makes some 50 to 70 shapes.
LanguageLengths rounded_up(LanguageLengths lengths);

// Padded to the longest input and the longest target, or to `least` where that is more. On the CPU.
struct LanguageBatch {
  Tensor ids, mask;                 // (B, Ts) i32 and u8, 0 at pads
  Tensor labels;                    // (B, Tt) i32, -100 at pads
  int64_t inputs = 0, targets = 0;  // ids that are no pads; the loss is a mean over `targets`
  int64_t positions() const { return ids.numel() + labels.numel(); }
  double filled() const { return double(inputs + targets) / double(positions()); }
};
LanguageBatch language_batch(const std::vector<LanguagePair>& pairs, int32_t pad, LanguageLengths least = {});

// What a stage trains on: an item of `items` and a sub-task of `tasks`, with the objective drawn as well in
// pre-training.
struct LanguageTask {
  TokenSet items;
  std::vector<SubTask> tasks;
  bool pretraining = false;
  double fps = 20;
  SequenceConfig config;
};

class LanguageBatches {
 public:
  // The language must outlive it. Batches are of like length among those of a window of `window` batches: with larger
  // windows less is padded, and more pairs are made at once.
  LanguageBatches(LanguageTask task, const MotionLanguage& language, int64_t batch, uint64_t seed,
                  int64_t window = 256);
  int64_t epoch_length() const { return order_.epoch_length(); }  // items x sub-tasks

  // Endless epochs, each in an order of its own; an epoch need not end with a batch. The pair at a place draws the
  // caption, the jitter of the tokens, the objective, the wording and the spans anew.
  LanguagePair pair(int64_t place);
  // The pairs at places window i batch ... window (i + 1) batch - 1 make up window i.
  LanguageBatch batch(int64_t step) { return batch(step, 0, batch_); }
  LanguageBatch batch(int64_t step, int64_t begin, int64_t end);  // pairs begin ... end - 1 of it, as long as the whole
  // Of these steps: the share of the computed positions that are no pads.
  double filled(int64_t first, int64_t steps);

 private:
  void open_window(int64_t index);

  LanguageTask task_;
  const MotionLanguage& language_;
  int64_t batch_, window_, opened_ = -1;
  uint64_t seed_;
  ShuffledOrder order_;
  std::vector<LanguagePair> pairs_;   // of the opened window, batch by batch
  std::vector<int64_t> batch_order_;  // of its batches
};

}  // namespace kg
