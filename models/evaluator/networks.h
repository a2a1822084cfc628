// The networks of Guo et al. 2022 ("Generating Diverse and Natural 3D Human Motions from Text", section 5 and the
// supplement) that put motions and texts into one space, and the decoder that the movement encoder is trained with.
//   movements (B, T, D) -> (B, T/4, M): what happens in 4 frames      MovementEncoder
//   a sequence of vectors with its length -> (B, E)                   BiGruEncoder, TextEncoderBiGru
// Parameters have the names and shapes of the public checkpoints.
#pragma once

#include "nn/gru.h"
#include "nn/linear.h"

namespace kg {

inline constexpr int64_t kMovementFrames = 4;

// Twice [strided convolution, dropout, leaky ReLU], then a linear layer at each step.
class MovementEncoder : public Module {
 public:
  MovementEncoder(int64_t features, int64_t width);
  Var operator()(const Var& x) const;  // T a multiple of 4

 private:
  Sequential main;
  Linear out_net;
};

class MovementDecoder : public Module {
 public:
  MovementDecoder(int64_t width, int64_t features);
  Var operator()(const Var& movements) const { return out_net(main(movements)); }

 private:
  Sequential main;
  Linear out_net;
};

// x (B, T, I) with lengths i32 (B): linear, GRU in both directions from a learned state, and of its last states
// linear, layer norm, leaky ReLU, linear.
class BiGruEncoder : public Module {
 public:
  BiGruEncoder(int64_t input, int64_t width, int64_t output);
  Var operator()(const Var& x, const Tensor& lengths) const;

 private:
  Var hidden;  // (2, 1, width)
  Linear input_emb;
  GRU gru;
  Sequential output_net;
};

// Words (B, L, W) and their classes, one-hot (B, L, C): the classes are embedded and added.
class TextEncoderBiGru : public BiGruEncoder {
 public:
  TextEncoderBiGru(int64_t words, int64_t classes, int64_t width, int64_t output);
  Var operator()(const Var& words, const Tensor& classes, const Tensor& lengths) const;

 private:
  Linear pos_emb;
};

}  // namespace kg
