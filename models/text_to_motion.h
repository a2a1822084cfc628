// What every system is to its users: sentences in, motions out, and whatever else it can do. Programs (generate,
// evaluate, obedience, demo, convert) know systems by this interface and by SystemInfo alone. Motions are features
// (T, D) f32 on the CPU, not normalised.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "data/formats/safetensors.h"
#include "data/motion/skeleton.h"
#include "models/text/text_encoder.h"

namespace kg {

struct MotionRequest {
  std::string caption;
  uint64_t stream = 0;  // of random numbers: a motion depends on it and on the seed, not on the other requests
  int64_t frames = 0;   // the wished length; 0: the model's own
  // What is given of the motion, for completion: its first frames, and its last ones. Undefined: nothing.
  Tensor beginning = {}, end = {};
};

// A motion of which a part was given.
struct Completion {
  Tensor joined;  // with what was given, as it was given
  Tensor alone;   // what the model wrote, by itself: published tables lay it from frame 0 of the whole motion on
};

// What was looked up for a request.
struct Retrieved {
  std::string id, caption;
  double similarity = 0;
  Tensor features;
};

// A step of training for measurements (bench --from-model): loss() computes on made-up inputs what the training program
// computes for a batch, figures included, up to the loss; `parameters` are those that the step changes.
struct TrainingProbe {
  NamedParameters parameters;
  std::function<Var()> loss;
};
// A prompt in free words, with motions where kMotionMark stands in it, or else behind it; and what it is answered with.
inline constexpr const char* kMotionMark = "<motion>";
struct Question {
  std::string text;
  std::vector<Tensor> motions = {};
  uint64_t stream = 0;
};
struct Answer {
  std::string text;  // may be empty
  Tensor motion;     // undefined: there is none in it
};

class TextToMotion {
 public:
  virtual ~TextToMotion() = default;

  // What it can do. A request for anything else is an Error (usage) that says so.
  struct Abilities {
    bool generates = true, captions = false, reconstructs = false, retrieves = false, completes = false;
    bool completes_by_caption = false;  // what it adds to a given part may be told in words
    bool answers = false;               // prompts in free words
    bool own_length = true;             // it decides how long a motion is; else requests must say
  };
  virtual Abilities abilities() const = 0;

  // A motion a request, of the random numbers of (seed, stream).
  virtual std::vector<Tensor> generate(const std::vector<MotionRequest>& requests, uint64_t seed);
  // Of requests that give a beginning, or both ends and the length; joined is as long as was asked for.
  virtual std::vector<Completion> complete(const std::vector<MotionRequest>& requests, uint64_t seed);
  virtual std::vector<std::string> caption(const std::vector<Tensor>& motions);  // a sentence a motion
  virtual Answer answer(const Question& question, uint64_t seed);
  virtual Tensor reconstruct(const Tensor& features);  // through the tokenizer and back
  virtual std::vector<Retrieved> retrieved(const MotionRequest& request);

  virtual int64_t max_frames() const = 0;  // of a motion that it makes
  virtual const Skeleton& skeleton() const = 0;
  // Lines about words of the sentences that mean nothing to it.
  virtual std::vector<std::string> notes(const std::vector<std::string>& captions) const;
  virtual void to(Device device) = 0;
  // For items of `frames` frames where training cuts them so, as the tokenizer's (0: its own length). Without loss()
  // where a system has none. The model is then in training, and must outlive what is returned. Of several stages it is
  // the last one's.
  virtual TrainingProbe training_probe(int64_t batch, int64_t frames);

 protected:
  [[noreturn]] void refuse(const char* what) const;  // "cannot write captions"
};

// ---- what programs know of a system without a model of it

// A published result, to stand beside an evaluation.
struct PublishedValue {
  const char* metric;        // as the evaluation names it: "FID"
  double value, half_width;  // of the 95 % interval; NaN where it is not published
  const char* truth;         // the value of the real motions in the same table; empty: it has none
  const char* group = "text to motion";
  const char* source = nullptr;  // where it is not the system's `published_in`
};
inline constexpr double kNotPublished = std::numeric_limits<double>::quiet_NaN();

// The training program of one stage; {PREVIOUS} in its arguments is the folder of the stage before it.
struct StageProgram {
  std::string program, folder, arguments;
  int64_t early_iters = 0;  // of a first look at what it learns
  std::function<int64_t(const std::string& preset)> preset_iters = {};
};

// A published file made a checkpoint, as `convert --as NAME` does.
struct ImportSource {
  NamedTensors weights;
  std::string file;                  // for messages
  std::filesystem::path statistics;  // folder of the mean and deviation
  std::filesystem::path base;        // an imported checkpoint of the stage before
  TextEncoderChoice text;
  int64_t heads = 16;
  std::filesystem::path vocabulary;  // a spiece.model
};
struct Import {
  std::string name, help;
  std::string kind;  // of the checkpoint
  // What else it must be given.
  bool needs_statistics = false, needs_base = false, needs_text = false, needs_vocabulary = false;
  std::function<TensorFile(const ImportSource& source)> make;
};

struct SystemInfo {
  std::string name, title;  // "t2m_gpt", "T2M-GPT"
  std::string kind;         // of its checkpoints
  std::vector<StageProgram> stages = {};
  std::vector<Import> imports = {};
  std::string published_in = {};  // the source of published values that name no other
  std::vector<PublishedValue> published = {};
};

}  // namespace kg
