// Sampling token sequences from the transformer: key/value cache, whole batch at once,
// a random stream for each sequence.
#pragma once

#include <deque>

#include "models/sampling.h"
#include "models/t2m_gpt/gpt.h"
#include "tensor/device.h"

namespace kg {

// Decoding steps for batches of one size: the caches, and on CUDA a captured graph for each position, which later
// batches replay. It must not outlive the transformer.
class Decoder {
 public:
  Decoder(const Gpt& gpt, int64_t batch);
  // As Gpt::step(), for positions that count up from 0. The logits are f32 on the host.
  Tensor step(const Tensor& condition, const std::vector<int32_t>& ids, int64_t position);
  const Gpt& gpt() const { return gpt_; }
  int64_t batch() const { return batch_; }

 private:
  const Gpt& gpt_;
  int64_t batch_;
  std::vector<KeyValueCache> caches_;
  Tensor condition_, ids_;
  struct Position {
    bool warm = false;
    Graph graph;
    Tensor logits;
  };
  std::deque<Position> positions_;
};

// condition (B, condition) -> a token sequence each, without the end. Sequence b draws from stream streams[b] of the
// seed: the result does not depend on which others are in the batch.
std::vector<std::vector<int32_t>> sample(Decoder& decoder, const Tensor& condition,
                                         const std::vector<uint64_t>& streams, const SampleOptions& options);
std::vector<std::vector<int32_t>> sample(const Gpt& gpt, const Tensor& condition, const std::vector<uint64_t>& streams,
                                         const SampleOptions& options);

}  // namespace kg
