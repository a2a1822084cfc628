// A transformer that is asked about a whole sequence through learned tokens in front of it (ACTOR, Petrovich et al.
// 2021): the tokens' last states are the answer. Letters: B sequences, T steps, K tokens, C width.
#pragma once

#include "nn/positions.h"
#include "nn/transformer.h"

namespace kg {

struct SequenceEncoderConfig {
  int64_t width = 512, layers = 4, heads = 4, feedforward = 1024;
  double dropout = 0.1;
};
template <class V>
void fields(SequenceEncoderConfig& c, V&& v) {
  v(Field{"width", "", "", size_bounds()}, c.width);
  v(Field{"layers", "", "", size_bounds()}, c.layers);
  v(Field{"heads", "", "", size_bounds()}, c.heads);
  v(Field{"feedforward", "", "", size_bounds()}, c.feedforward);
  v(Field{"dropout", "", "", between(0, 0.99)}, c.dropout);
}
TransformerOptions transformer_options(const SequenceEncoderConfig& config);

// All layers of a stack begin with the values of its first one, as copies that PyTorch makes of one layer.
template <class Stack>
void start_alike(Stack& stack) {
  for (int64_t i = 1; i < stack.layers.size(); ++i)
    stack.layers[i].load_state_dict(stack.layers[0].state_dict(), "the first layer");
}

// A linear layer to the width, tokens in front, fixed positions (those of the tokens come first), post-norm layers.
class SequenceEncoder : public Module {
 public:
  // Of sequences of at most `longest` steps.
  SequenceEncoder(int64_t input, int64_t tokens, int64_t longest, const SequenceEncoderConfig& config);
  // x (B, T, input) -> (B, K, C). mask u8 (B, T): 0 hides a step; undefined: all are seen.
  Var operator()(const Var& x, const Tensor& mask = {}) const;

 private:
  Linear projection;
  Var tokens;  // (K, C), from N(0, 1)
  FixedPositions positions;
  Dropout dropout;
  TransformerEncoder transformer;
};

}  // namespace kg
