// How many launches a decoding step takes. At one row a layer is as fast as its launches are few.
#include <gtest/gtest.h>

#include "models/t2m_gpt/gpt.h"
#include "models/text/t5.h"
#include "tests/cuda_emulation/graph.h"

namespace kg {
namespace {

int64_t launches_of_step(const TokenWriter& model, const DecodeState& state) {
  const Tensor ids = Tensor::zeros({state.rows()}, Dtype::i32, Device::cuda);
  state.position.fill(1);
  const int64_t before = emulation::submitted();
  NoGrad guard;
  model.step(ids, state);
  return emulation::submitted() - before;
}

// Queries, keys and values; attention; its output; two products of the feed-forward part.
TEST(DecodeLaunches, OfT2mGptAreFiveALayer) {
  for (const int64_t rows : {1, 9})
    for (const int64_t layers : {1, 3}) {
      GptConfig c;
      c.codes = 12, c.condition = 8, c.width = 16, c.heads = 2, c.layers = layers, c.feedforward = 32, c.context = 6;
      Gpt gpt(c);
      gpt.to(Device::cuda);
      const DecodeState state = gpt.start(Tensor::ones({rows, 8}, Dtype::f32, Device::cuda));
      EXPECT_EQ(launches_of_step(gpt, state), 5 * layers + 2) << "with the embedding and the head";
    }
}

// The same and three for the attention to the source: its queries, itself, its output.
TEST(DecodeLaunches, OfT5AreEightALayer) {
  for (const bool gated : {false, true}) {
    int64_t launches[2];
    for (const int64_t layers : {1, 3}) {
      T5Config c;
      c.vocabulary = 40, c.width = 16, c.feedforward = 24, c.heads = 2, c.head_width = 8;
      c.layers = 1, c.decoder_layers = layers, c.gated = gated, c.tied = !gated;
      T5 model(c);
      model.to(Device::cuda);
      const Tensor memory = Tensor::ones({2, 5, 16}, Dtype::f32, Device::cuda);
      const DecodeState state = model.start(memory, Tensor::ones({2, 5}, Dtype::u8, Device::cuda), 6);
      launches[layers / 2] = launches_of_step(model, state);
    }
    EXPECT_EQ(launches[1] - launches[0], 2 * 8);
    EXPECT_LE(launches[0], 8 + 4);
  }
}

}  // namespace
}  // namespace kg
