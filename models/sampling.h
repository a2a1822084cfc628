// Writing sequences of tokens: drawing one of many from logits, greedily or from the softmax with temperature, top-k and
// top-p, and the loop that decodes, draws and decodes again. Beam search: models/beam_search.h.
#pragma once

#include <cstdint>
#include <functional>

#include "nn/config.h"
#include "nn/decode.h"

namespace kg {

struct SampleOptions {
  bool greedy = false;
  double temperature = 1;
  int64_t top_k = 0;       // 0: all
  double top_p = 1;        // the smallest set with at least this probability, among the top k
  int64_t min_tokens = 1;  // the end may not come before
  int64_t max_tokens = 0;  // 0: as many as the decoder has room for
  uint64_t seed = 0;
};

template <class V>
void fields(SampleOptions& o, V&& v) {
  v(Field{"greedy", "greedy", "always the most probable token"}, o.greedy);
  v(Field{"temperature", "temperature", "of the softmax", above(0)}, o.temperature);
  v(Field{"top_k", "top-k,topkr", "sample among the k most probable tokens; 0: all", at_least(0)}, o.top_k);
  v(Field{"top_p", "top-p", "sample within this probability mass", between(0.001, 1)}, o.top_p);
}

void check_sampling(const SampleOptions& options);

// One draw from a row of logits (n) by a uniform number u in [0, 1).
int32_t draw_token(const Tensor& logits, const SampleOptions& options, double u);

// A sequence for each row, without the first id and the end. Row b draws from stream streams[b] of the seed, its token
// at position p from the number p: the result does not depend on which others are in the batch. A decoder that is used
// again keeps its captured steps.
using Sequences = std::vector<std::vector<int32_t>>;
// A rule says which tokens a row may go on with, from what it has written: it puts -infinity at the others' logits (V).
using TokenRule = std::function<void(size_t row, const std::vector<int32_t>& written, Tensor& logits)>;
Sequences write(Decoder& decoder, DecodeState start, const std::vector<uint64_t>& streams, const SampleOptions& options,
                const TokenRule& rule = {});

// How many tokens to write with this decoder.
int64_t most_tokens(const Decoder& decoder, const SampleOptions& options);

}  // namespace kg
