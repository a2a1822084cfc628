// Prompts to motions on disk: what `generate` and the demo share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/motion/skeleton.h"
#include "models/metrics/prediction.h"
#include "models/text_to_motion.h"

namespace kg::tools {

struct Generated {
  std::string prompt, name;  // name: file stem, "003_a_person_walks_0"
  Tensor features;           // (T, D)
  Joints joints;             // as the data set's tools recover them from the features
  std::vector<Retrieved> retrieved = {};
};

struct GenerationOptions {
  uint64_t seed = 0;
  int repeat = 1;
  int batch = 64;
  int64_t frames = 0;  // 0: the model decides
};

// `repeat` motions for each prompt, in order. Motion r of prompt p draws from stream p * 2^20 + r of the seed: asking
// for more repeats, in other batches, does not change the ones that were there.
std::vector<Generated> generate_motions(TextToMotion& model, const std::vector<std::string>& prompts,
                                        const GenerationOptions& options);

// A motion of which a part is given to complete.
struct GivenMotion {
  std::string file;
  Tensor features;  // (T, D): the whole clip
  CompletionTask task = CompletionTask::prediction;
  double share = 0;  // that is given, at each given end; 0: given_share(task)
};
// What is asked for: the clip's own length, options.frames where they say more. Errors (input) for a clip that is too
// short, or longer than the model's max_frames(); in between has the clip's length, else an Error (usage).
MotionRequest completion_request(const GivenMotion& clip, const TextToMotion& model, const GenerationOptions& options);
// `repeat` completions for each prompt, of which one may be empty: each whole, as NAME, and then what the model wrote
// alone, NAME_alone.
std::vector<Generated> complete_motions(TextToMotion& model, const GivenMotion& clip,
                                        const std::vector<std::string>& prompts, const GenerationOptions& options);

// NAME.npy (joints), NAME_features.npy, NAME.bvh, NAME.png, NAME.gif in `folder`, as `formats` says.
struct OutputFormats {
  bool npy = true, bvh = true, png = true, gif = true, html = true;
};
// From names joined by commas; an Error (usage) for an unknown one, and for none.
OutputFormats parse_formats(const std::string& list);
void write_motion(const std::filesystem::path& folder, const Generated& motion, const OutputFormats& formats,
                  const Skeleton& skeleton);

// "4s" or "80f"; an Error (usage) otherwise.
struct MotionLength {
  double value = 0;  // 0: the model decides
  bool seconds = false;
};
MotionLength parse_length(const std::string& text);
// In frames of a model; an Error (usage) beyond its max_frames(), and where it does not decide and is not told.
int64_t frames_of(const MotionLength& length, const TextToMotion& model);

// An Error (input) for a prompt without a word or that is not UTF-8.
void check_prompts(const std::vector<std::string>& prompts);
// Notes on stderr about words that mean nothing to the model.
void print_notes(const TextToMotion& model, const std::vector<std::string>& prompts);

}  // namespace kg::tools
