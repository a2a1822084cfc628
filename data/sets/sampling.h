// What is drawn in training: the order of clips, windows, crops, captions. All of it is a function of a seed and a
// position, so a run resumes exactly from the number of its iteration.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/random.h"
#include "tensor/tensor.h"

namespace kg {

// 0..count-1 in a random order.
std::vector<int64_t> random_order(int64_t count, Philox random);

// Endless epochs over `count` things, each in a fresh order. An epoch is made of whole batches, so up to batch - 1
// things are left out of it (others each time); with fewer things than a batch, batches run on into the next epoch.
class ShuffledOrder {
 public:
  ShuffledOrder(int64_t count, int64_t batch, uint64_t seed);
  int64_t epoch_length() const { return epoch_length_; }
  int64_t batches_per_epoch() const { return count_ >= batch_ ? count_ / batch_ : 1; }
  int64_t at(int64_t position);  // position = iteration * batch + place in the batch
  std::vector<int64_t> batch(int64_t iteration);

 private:
  int64_t count_, batch_, epoch_length_, epoch_ = -1;
  uint64_t seed_;
  std::vector<int64_t> order_;  // of epoch_
};

// Windows of motions. Of clips (the motion tokenizer): one of each clip an epoch, at a random place. Of places (the
// movement autoencoder): every window that there is once an epoch.
enum class Windows { of_clips, of_places };
class WindowSampler {
 public:
  // Clips (T, D) f32, each at least `window` frames long, as the model is to see them (normalised).
  WindowSampler(std::vector<Tensor> clips, int window, int batch, uint64_t seed, Windows windows = Windows::of_clips);
  int64_t batches_per_epoch() const { return order_.batches_per_epoch(); }
  Tensor batch(int64_t iteration) { return batch(iteration, 0, batch_); }  // (batch, window, D)
  Tensor batch(int64_t iteration, int begin, int end);                     // windows begin..end of it

 private:
  std::vector<Tensor> clips_;
  std::vector<int64_t> ends_;  // of places: how many windows there are up to and with each clip
  int window_, batch_;
  uint64_t seed_;
  ShuffledOrder order_;
};

struct Crop {
  int begin = 0, frames = 0;
};
// A whole number of 4-frame units: all of them, or one less in one case of three; placed at random. For models that see
// motions (evaluators, MoMask).
Crop random_crop(int frames, Philox random, int unit = 4);
// All whole units, placed at random: what is encoded to tokens.
Crop aligned_crop(int frames, Philox random, int unit = 4);
// Token jitter of T2M-GPT: in one case of three the first or the last token is dropped.
Crop jittered_tokens(int tokens, Philox random);

// What random numbers are drawn for. Two uses of one number would be correlated: every use has its own, which stays as
// it is, since results depend on it.
enum class Draw : uint64_t {
  // evaluation
  limit = 1,
  evaluation_caption = 2,
  evaluation_crop = 3,
  noise = 4,
  shuffled_motions = 5,
  rare_motions = 6,
  shuffled_captions = 7,
  // training of a transformer over tokens
  token_crop = 11,
  token_jitter = 12,
  caption = 13,
  corruption = 14,
  keep = 15,
  // training of a language of text and motion
  objective = 16,
  wording = 17,
  quotes = 18,
  spans = 19,
  language_window = 20,
  // training of an evaluator
  evaluator_crop = 21,
  evaluator_caption = 22,
  partner = 23,
  // training of a retriever
  retriever_caption = 24,
  retriever_window = 25,
  retriever_noise = 26,
  // the letters of the word
  order = 0x6F72646572,
  window = 0x77696E646F77,
  pools = 0x706F6F6C73,
  texts = 0x7465787473,
  pairs = 0x7061697273,
  multimodality = uint64_t(1) << 60,  // and the numbers after it: generations that belong to no repeat
  completion = uint64_t(1) << 61,     // and the numbers after it: those of a task and a repeat
};

// The random numbers of one place of one batch.
inline Philox draw(uint64_t seed, int64_t position, Draw purpose) {
  return {seed, mix(uint64_t(purpose), uint64_t(position))};
}

}  // namespace kg
