// Writing with a T5: one token at a time over cached keys and values; greedy, sampled, or by beam search.
// Letters: B sources, Ts source tokens, C width, V vocabulary.
#pragma once

#include "models/sampling.h"
#include "models/text/t5.h"

namespace kg {

class T5Decoder {
 public:
  // memory (B, Ts, C) of T5::encode(), mask (B, Ts); at most `most` positions, the first of which reads a pad.
  T5Decoder(const T5& model, const Tensor& memory, const Tensor& mask, int64_t most);
  // The last ids, one a row, at positions that count up from 0 -> logits (B, V), f32 on the host.
  Tensor step(const std::vector<int32_t>& ids, int64_t position);
  // Row i goes on from what row rows[i] has seen; `rows` may be more or fewer than before.
  void reorder(const std::vector<int32_t>& rows);

 private:
  const T5& model_;
  Tensor mask_;
  int64_t most_;
  std::vector<T5LayerCache> caches_;
};

struct T5Writing {
  SampleOptions sampling;  // min_tokens and max_tokens count the end; 0 tokens at most is an error
  int32_t end = kT5End;
};

// Token ids without the first pad and without the end, one sequence a row of memory. Row b draws from stream streams[b]
// of the seed; the result does not depend on which others are in the batch.
std::vector<std::vector<int32_t>> t5_write(const T5& model, const Tensor& memory, const Tensor& mask,
                                           const std::vector<uint64_t>& streams, const T5Writing& options);

// Beam search as in Hugging Face's generate() with its defaults: each step keeps the `beams` best open sequences of the
// 2 * beams best continuations; a finished one is scored by its log-probability divided by its length, end included;
// and a row is done when its best open sequence, at its present length, cannot beat its worst finished one.
std::vector<std::vector<int32_t>> t5_beam_search(const T5& model, const Tensor& memory, const Tensor& mask,
                                                 int64_t beams, const T5Writing& options);

}  // namespace kg
