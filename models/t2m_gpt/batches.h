// What a training step of T2M-GPT's transformer reads: motions as tokens with their captions, cut, jittered and
// corrupted as functions of (seed, place), so that a run resumes from the number of its step alone.
#pragma once

#include "data/sets/humanml3d.h"
#include "data/sets/sampling.h"
#include "models/t2m_gpt/gpt.h"
#include "models/tokenizer/motion_tokenizer.h"

namespace kg {

// The motions of a set as tokens, with their captions.
struct TokenSet {
  std::vector<std::vector<int32_t>> tokens;
  std::vector<std::vector<std::string>> captions;
  int64_t size() const { return int64_t(tokens.size()); }
};
// Of a set that is loaded without sub-clips. A caption with a start and an end has the tokens of the whole clip from
// int(start) to int(end), counted in tokens, if there are any, as in the published code: sub-clips may be short. At most
// `context` - 2 tokens a motion: the end and the condition need a place each.
TokenSet tokenize(MotionTokenizer& tokenizer, const Dataset& set, int64_t context, uint64_t seed);
std::vector<std::string> captions_of(const Dataset& set);

struct CaptionedBatch {
  GptBatch tokens;
  std::vector<std::string> captions;
  int64_t targets() const;  // tokens and ends
  CaptionedBatch cut(int64_t begin, int64_t end) const;
};
// Rows (B, context): tokens, end, pads. In training a row's caption and its jitter are drawn by its place, `position` and
// those after it; else it is the first caption and all tokens.
CaptionedBatch make_batch(const TokenSet& set, const std::vector<int64_t>& items, const Gpt& gpt, uint64_t seed,
                          int64_t position, bool training);
// The ids (B, context - 1) that the transformer reads, corrupted: a share `keep` stays (-1: drawn for this step).
Tensor corrupted_inputs(const CaptionedBatch& batch, const GptConfig& config, double keep, uint64_t seed, int64_t step);

}  // namespace kg
