// Which text encoder a system has: chosen by its user in training, found again in the system's checkpoints.
#pragma once

#include "models/text/word_transformer.h"

namespace kg {

// The built-in encoder for these captions, or the pretrained one that is chosen, frozen.
std::unique_ptr<TextEncoder> make_text_encoder(const TextEncoderChoice& choice, const WordTransformerConfig& words,
                                               const std::vector<std::string>& captions);

// The encoder of a checkpoint (a configuration with a part "text" in its metadata): made anew from it with its weights,
// or, for a pretrained one that was frozen, opened from where it was in training, or from where `choice` says it is
// now; then it must be the same by its checksums. Errors (input) say what is asked for.
std::unique_ptr<TextEncoder> open_stored_text(const TensorFile& file, const TextEncoderChoice& choice,
                                              const std::string& source);

}  // namespace kg
