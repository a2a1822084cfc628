// Retriever: motions and texts as vectors of one space, near where they belong together. What the database, search,
// retrieval-augmented systems and the retrieval metrics ask of TMR, PL-TMR and BMM, and what a training step needs.
// Letters: N items, B those of a batch, T frames, D features a frame, L tokens, C width of their states, W width().
#pragma once

#include <filesystem>

#include "data/motion/statistics.h"
#include "models/text/text_encoder.h"
#include "nn/flat.h"

namespace kg {

// Normalised motions (B, T, D), zeros behind the end, and u8 (B, T), 0 there; on the device.
struct MotionInput {
  Tensor frames, mask;
};

// What a step reads of B pairs, all on the device. What a retriever does not use may be undefined. Of several processes
// each has part_of(count) of the pairs, n of them, and ids of all.
struct RetrievalBatch {
  MotionInput motion;
  TextBatch text;     // of a frozen encoder whose states are given, the mask is enough
  Tensor states;      // of a frozen encoder, (B, L, C); undefined: the encoder runs in the step
  int64_t count = 0;  // of the whole batch, B; 0: n
  Tensor targets;     // those of places(B) that are this process's, (n)
  Tensor longest;     // (1), frames of the longest motion of the whole batch (TMR); undefined: of those here
  Tensor mask;        // u8 (n, B), 1 where two pairs are no negatives of each other; undefined: all are
  Tensor ids;         // i32 (B), the same for what shows one motion (BMM)
  Tensor noise;  // (2, n, W) of N(0, 1), for the latents of texts and motions (TMR); undefined: their means are taken

  int64_t size() const { return count > 0 ? count : targets.numel(); }
};

// Named values of a step; the first is differentiated.
using LossTerms = std::vector<std::pair<std::string, Var>>;

class Retriever {
 public:
  Retriever(std::unique_ptr<TextEncoder> text, const Skeleton& body);
  virtual ~Retriever() = default;
  Retriever(const Retriever&) = delete;

  // ---- for those who use it: f32 (N, W) on the CPU, each row of length 1
  // Of raw features (T, D) each, which statistics() normalise.
  Tensor motion_features(const std::vector<Tensor>& motions) const;
  Tensor text_features(const std::vector<std::string>& captions) const;
  virtual int64_t width() const = 0;
  virtual int64_t max_frames() const = 0;       // of one motion; what is beyond is cut off where crops(), else refused
  virtual bool crops() const { return false; }  // in training from a random place on
  const Skeleton& skeleton() const { return body_; }
  virtual const char* kind() const = 0;  // of its checkpoints
  // A checksum of all that decides the features: weights, configuration, statistics, tokenizer. Not where files lie.
  std::string identity() const;

  // ---- for training
  // Of normalised motions, padded to the longest or to `length`; crops() ones always to max_frames().
  MotionInput prepare(const std::vector<Tensor>& motions, int64_t length = 0) const;
  virtual LossTerms loss(const RetrievalBatch& batch) = 0;
  // Outside what is captured as a graph, around loss() and the optimizer's step.
  virtual void before_step() {}
  virtual void after_step() {}
  virtual NamedTensors state() const { return {}; }  // what they change; shares memory
  // Those of the network and, unless it is frozen, those of the text encoder ("text.NAME") with a rate of its own.
  std::vector<ParameterGroup> groups(double weight_decay, double text_lr);
  virtual void train(bool on);
  virtual void to(Device device);
  virtual void to(Dtype dtype);

  // ---- as a checkpoint; load() wants a retriever of the same configuration. Errors (input) say what differs.
  TensorFile save() const;
  void load(const TensorFile& file, const std::string& source);

  std::unique_ptr<TextEncoder> text;
  Statistics statistics;  // plain mean and deviation of the training data

 protected:
  virtual Module& network() const = 0;
  virtual Json configuration() const = 0;
  // Not normalised: (B, W) from the device's inputs; states (B, L, C) with their mask (B, L).
  virtual Var embed_motion(const MotionInput& motion) const = 0;
  virtual Var embed_text(const Var& states, const Tensor& mask) const = 0;
  Var text_states(const RetrievalBatch& batch) const;

 private:
  void check_motions(const std::vector<Tensor>& motions) const;

  Skeleton body_;
};

// A training program's run folder, a checkpoint folder or a file, of any of the three kinds, ready to embed. `text`
// says where a frozen encoder with public weights is now. An Error (input) for a checkpoint of something else.
std::unique_ptr<Retriever> open_retriever(const std::filesystem::path& run, const TextEncoderChoice& text = {});

}  // namespace kg
