#include "models/retrieval/sequence_encoder.h"

namespace kg {

TransformerOptions transformer_options(const SequenceEncoderConfig& c) {
  return {.width = c.width,
          .heads = c.heads,
          .feedforward = c.feedforward,
          .dropout = c.dropout,
          .activation = Activation::gelu};
}

SequenceEncoder::SequenceEncoder(int64_t input, int64_t count, int64_t longest, const SequenceEncoderConfig& c)
    : projection(input, c.width),
      tokens(Tensor::empty({count, c.width})),
      positions(count + longest, c.width),
      dropout(c.dropout),
      transformer(c.layers, transformer_options(c)) {
  init::normal(tokens.value, 0, 1);
  start_alike(transformer);
  reg("projection", projection);
  reg("tokens", tokens);
  reg("positions", positions);
  reg("dropout", dropout);
  reg("seqTransEncoder", transformer);
}

Var SequenceEncoder::operator()(const Var& x, const Tensor& mask) const {
  CHECK(x.rank() == 3 && x.size(2) == projection.weight.size(1), "[sequence encoder] needs (batch, time, ",
        projection.weight.size(1), "), got ", x.shape());
  const int64_t batch = x.size(0), count = tokens.size(0);
  const Var first = expand(reshape(tokens, {1, count, tokens.size(1)}), {batch, count, tokens.size(1)});
  AttentionOptions attention;
  if (mask.defined())
    attention.key_mask = concat(std::vector<Tensor>{Tensor::ones({batch, count}, Dtype::u8, mask.device()), mask}, 1);
  const Var states = transformer(dropout(positions(concat(std::vector<Var>{first, projection(x)}, 1))), attention);
  return slice(states, 1, 0, count);
}

}  // namespace kg
