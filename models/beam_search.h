// Beam search as in Hugging Face's generate() with its defaults: each step keeps the `beams` best open sequences of the
// 2 * beams best continuations; a finished one is scored by its log-probability divided by its length, end included; and
// a row is done when its best open sequence, at its present length, cannot beat its worst finished one.
#pragma once

#include "models/sampling.h"

namespace kg {

// The best sequence for each row of `start`, without the first id and the end. Of the options, min_tokens and max_tokens.
Sequences beam_search(Decoder& decoder, const DecodeState& start, int64_t beams, const SampleOptions& options);

}  // namespace kg
