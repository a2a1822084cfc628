// The evaluator: texts and motions as vectors of one space, near where they belong together (Guo et al. 2022). Every
// metric of generated motions is computed there. Motions are (B, T, D) features normalised with eval_std, at most 196
// frames; texts are lists of word/POS.
#pragma once

#include <string>
#include <vector>

#include "data/text/word_vectors.h"
#include "models/evaluator/networks.h"
#include "nn/config.h"
#include "nn/embedding.h"

namespace kg {

inline constexpr int64_t kEvaluatorFrames = 196;
inline constexpr int64_t kUnseenFeatures = 4;  // the last features of a frame, which the evaluator does not see

struct EvaluatorConfig {
  int64_t features = 263;
  int64_t movement = 512, motion = 1024, text = 512;  // widths of the three encoders
  int64_t embedding = 512;                            // of the common space
  int64_t words = 300;                                // of a word's vector
};

template <class V>
void fields(EvaluatorConfig& c, V&& v) {
  v(Field{"features", "", "", size_bounds()}, c.features);
  v(Field{"movement", "", "", size_bounds()}, c.movement);
  v(Field{"motion", "", "", size_bounds()}, c.motion);
  v(Field{"text", "", "", size_bounds()}, c.text);
  v(Field{"embedding", "", "", size_bounds()}, c.embedding);
  v(Field{"words", "", "", size_bounds()}, c.words);
}

// What the networks read, on their device.
struct MotionBatch {
  Tensor frames, units;  // (B, T', D - 4), zeros behind the end; i32 (B), whole units of 4 frames
};
struct SentenceBatch {
  Tensor words, classes, lengths;  // i32 (B, L), one-hot f32 (B, L, 15), i32 (B)
};

class Evaluator : public Module {
 public:
  // vectors (words.size(), config.words), which stay as they are; undefined:
  // random ones, trained with the text encoder.
  Evaluator(const EvaluatorConfig& config, EvaluatorWords words, const Tensor& vectors = {});

  // f32 (B, width()) on the CPU, in the order given; lengths in frames. An item's row does not depend on the others.
  Tensor embed_motion(const Tensor& features, const std::vector<int64_t>& lengths) const;
  Tensor embed_text(const std::vector<std::vector<std::string>>& tokens) const;
  int64_t width() const { return config_.embedding; }

  // For training. `length`: frames or words to pad to at least, 0 for no more than needed.
  MotionBatch prepare_motion(const Tensor& features, const std::vector<int64_t>& lengths, int64_t length = 0) const;
  SentenceBatch prepare_text(const std::vector<std::vector<std::string>>& tokens, int64_t length = 0) const;
  Var encode(const MotionBatch& batch) const;
  Var encode(const SentenceBatch& batch) const;

  // The published weights (movement_encoder.NAME, text_encoder.NAME, motion_encoder.NAME); other entries are left.
  void load_official(const NamedTensors& entries, const std::string& source);

  const EvaluatorConfig& config() const { return config_; }
  const EvaluatorWords& words() const { return words_; }
  bool trains_words() const { return trains_words_; }

  MovementEncoder movement_encoder;
  BiGruEncoder motion_encoder;
  TextEncoderBiGru text_encoder;
  Embedding word_vectors;

 private:
  void check_motions(const Tensor& features, const std::vector<int64_t>& lengths) const;

  EvaluatorConfig config_;
  EvaluatorWords words_;
  bool trains_words_;
};

// Stage one: 4-frame movements by an autoencoder.
class MovementAutoencoder : public Module {
 public:
  explicit MovementAutoencoder(const EvaluatorConfig& config);
  struct Loss {
    Var total, reconstruction, sparsity, smoothness;
  };
  // x (B, T, D): L1 of all features + 0.001 mean |z| + 0.001 L1(z_t+1, z_t)
  Loss loss(const Tensor& x) const;

  MovementEncoder movement_encoder;
  MovementDecoder movement_decoder;
};

// Stage two: d is the distance of text i and motion i (each difference + 1e-6), d' that of text i and motion
// partner[i] (there may be more motions than texts, to be partners): mean d^2 + mean max(0, 10 - d')^2.
struct MatchingLoss {
  Var total, positive, negative;
};
MatchingLoss matching_loss(const Var& text, const Var& motion, const Tensor& partner);

}  // namespace kg
