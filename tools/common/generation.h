// Prompts to motions on disk: what `generate` and the demo share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/motion/skeleton.h"
#include "models/t2m_gpt/t2m_gpt.h"

namespace kg {

struct Generated {
  std::string prompt, name;  // name: file stem, "003_a_person_walks_0"
  Tensor features;           // (T, 263)
  Joints joints;             // as HumanML3D's tools recover them from the features
};

struct GenerationOptions {
  SampleOptions sampling;
  int repeat = 1;
  int batch = 64;
};

// `repeat` motions for each prompt, in order. Motion r of prompt p draws from stream p * 2^20 + r of the seed: asking
// for more repeats, in other batches, does not change the ones that were there.
std::vector<Generated> generate_motions(T2mGpt& model, const std::vector<std::string>& prompts,
                                        const GenerationOptions& options);

// NAME.npy (joints), NAME_features.npy, NAME.bvh, NAME.png, NAME.gif in `folder`, as `formats` says.
struct OutputFormats {
  bool npy = true, bvh = true, png = true, gif = true;
};
void write_motion(const std::filesystem::path& folder, const Generated& motion, const OutputFormats& formats);

// "4s" or "80f" to tokens, rounded up to whole ones; an Error (usage) otherwise.
int64_t parse_length(const std::string& text);
// An Error (usage) where a model makes no more than `max_tokens`.
void check_length(int64_t tokens, int64_t max_tokens);

// An Error (input) for a prompt without a word or that is not UTF-8.
void check_prompts(const std::vector<std::string>& prompts);

// Notes on stderr about words that mean nothing to the model: not in its vocabulary, or beyond those that it reads.
void warn_unread_words(const TextEncoder& text, const std::vector<std::string>& prompts);

}  // namespace kg
