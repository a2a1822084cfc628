// Features and states of captions, computed once for all captions of a data set and kept on disk; and what a training
// step reads of its captions, whatever the encoder. Letters: N captions, B those of a batch, L tokens of the longest.
#pragma once

#include <filesystem>
#include <functional>
#include <map>

#include "models/text/text_encoder.h"

namespace kg {

// Pooled features (N, width) f32 on the CPU, in batches of captions of about one length.
Tensor encode_captions(const TextEncoder& text, const std::vector<std::string>& captions, int64_t batch = 64);

// States of the real tokens of many captions, one caption behind the other: those of caption n are the rows
// offsets[n] ... offsets[n + 1] - 1 of states (tokens of all captions, state_width) bf16 on the CPU.
struct CaptionStates {
  Tensor states;
  std::vector<int32_t> offsets;  // N + 1
};
CaptionStates encode_caption_states(const TextEncoder& text, const std::vector<std::string>& captions,
                                    int64_t batch = 64);

// The same of a frozen encoder, from the folder `cache` where they lie there: a file for each set of weights,
// configuration, tokenizer and captions. `say` is told where they came from. An Error (input) for a file that is
// damaged or holds something else.
using Say = std::function<void(const std::string&)>;
Tensor cached_features(const TextEncoder& text, const std::vector<std::string>& captions,
                       const std::filesystem::path& cache, const Say& say = {});
CaptionStates cached_states(const TextEncoder& text, const std::vector<std::string>& captions,
                            const std::filesystem::path& cache, const Say& say = {});

// What a step of training reads of its captions, and the condition that this becomes: the pooled feature, or all
// states. A frozen encoder's come from the cache, another encoder runs in the step.
class TextCondition {
 public:
  enum class Kind { pooled, states };
  // Of a frozen encoder, `captions` are all that will be asked for; of another, they set the length of its inputs on a
  // GPU, where all steps must have the same.
  TextCondition(const TextEncoder& text, std::vector<std::string> captions, Device device,
                const std::filesystem::path& cache, Kind kind = Kind::pooled, const Say& say = {});

  std::vector<Tensor> inputs(const std::vector<std::string>& captions, Dtype dtype) const;
  size_t input_count() const;  // how many tensors inputs() gives
  // From what inputs() gave, on the device: (B, width), or (B, L, state_width) with mask() (B, L) u8, 0 at pads.
  Var operator()(const Tensor* inputs) const;
  Tensor mask(const Tensor* inputs) const;

 private:
  std::vector<Tensor> state_inputs(const std::vector<int32_t>& rows, Dtype dtype) const;

  const TextEncoder& text_;
  Kind kind_;
  int64_t longest_ = 0;  // inputs are at least as long
  std::map<std::string, int32_t> rows_;
  Tensor features_;
  CaptionStates states_;
};

}  // namespace kg
