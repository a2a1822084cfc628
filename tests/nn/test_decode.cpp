// Decoding: one position of attention against the whole sequence, the order of rows, errors.
#include <gtest/gtest.h>

#include "nn/decode.h"
#include "tests/nn/util.h"

namespace kg {
namespace {

Tensor normal(const Shape& shape, uint64_t stream) {
  const Tensor x = Tensor::empty(shape, Dtype::f64);
  fill_normal(x, 0, 1, {31, stream});
  return x;
}

ProjectedAttention attention_layer(bool key_first = false) {
  default_generator() = {30, 0};
  return ProjectedAttention({.q = "q", .k = "k", .v = "v", .out = "o", .width = 8, .heads = 2, .key_first = key_first});
}

TEST(Decode, OnePositionOfAttentionIsThatOfTheWholeSequence) {
  ProjectedAttention layer = attention_layer();
  layer.to(Dtype::f64);
  const Tensor x = normal({3, 5, 8}, 1), memory = normal({3, 4, 8}, 2), last = normal({1, 2, 1, 5}, 3);
  const Tensor bias = Tensor::zeros({1, 2, 5, 5}, Dtype::f64);  // of the distance, the last query's moved left
  for (int64_t t = 0; t < 5; ++t) bias.slice(2, t, t + 1).slice(3, 0, t + 1).copy_from(last.slice(3, 4 - t, 5));
  const Tensor mask = Tensor::ones({3, 4}, Dtype::u8);
  mask.select(0, 1).slice(0, 2, 4).fill(0);
  NoGrad guard;
  const Tensor whole = layer(x, x, {.causal = true}, Var(bias)).value;
  const Tensor across = layer(x, memory, {.key_mask = mask}).value;
  const KeyValueCache cache{Tensor::empty({3, 5, 2, 4}, Dtype::f64), Tensor::empty({3, 5, 2, 4}, Dtype::f64)};
  const KeyValueCache source = layer.keys_and_values(memory);
  for (int32_t t = 0; t < 5; ++t) {
    const Tensor row = x.select(1, t).contiguous(), position = Tensor::from<int32_t>({t}, {1});
    const Tensor alone = layer.step(row, {}, cache, position, last), beside = layer.step_across(row, {}, source, mask);
    EXPECT_LT(max_abs_difference(alone, add(row, whole.select(1, t))), 1e-12) << t;
    EXPECT_LT(max_abs_difference(beside, add(row, across.select(1, t))), 1e-12) << t;
  }
}

TEST(Decode, ParametersStandInTheOrderAskedFor) {
  const ProjectedAttention query = attention_layer(), key = attention_layer(true);
  EXPECT_EQ(names_of(query.named_parameters())[0], "q.weight");
  const auto names = names_of(key.named_parameters());
  EXPECT_EQ(names, (std::vector<std::string>{"k.weight", "k.bias", "q.weight", "q.bias", "v.weight", "v.bias",
                                             "o.weight", "o.bias"}));
}

// Logits (B, 8) that tell what a row has seen: in turn its condition, its ids by position, and 0.
class Recorder : public TokenWriter {
 public:
  DecodeState start(const std::vector<float>& conditions, int64_t most) const {
    DecodeState state;
    state.condition = Tensor::from<float>(conditions, {int64_t(conditions.size()), 1});
    state.make_room(1, int64_t(conditions.size()), most, 1, 1, state.condition);
    return state;
  }
  Tensor step(const Tensor& ids, const DecodeState& s) const override {
    const int64_t position = int64_t(s.position.item());
    const Tensor logits = Tensor::zeros({ids.size(0), 8}), seen = s.written[0].k.reshape({ids.size(0), s.most()});
    seen.select(1, position).copy_from(ids.to(Dtype::f32));
    logits.slice(1, 0, 1).copy_from(s.condition);
    logits.slice(1, 1, position + 2).copy_from(seen.slice(1, 0, position + 1));
    return logits;
  }
  int32_t first_id() const override { return 7; }
  int32_t end_id() const override { return 1; }
};
using Values = std::vector<double>;

TEST(Decode, RowsGoOnFromWhatOthersHaveWritten) {
  const Recorder model;
  Decoder decoder(model);
  decoder.start(model.start({10, 20}, 4).repeated(2));
  EXPECT_EQ(decoder.rows(), 4);
  decoder.step({1, 2, 3, 4});
  decoder.reorder({1, 1, 3, 2});
  EXPECT_EQ(decoder.step({5, 6, 7, 8}).to_vector(), (Values{10, 2, 5, 0, 0, 0, 0, 0, 10, 2, 6, 0, 0, 0, 0, 0,  //
                                                            20, 4, 7, 0, 0, 0, 0, 0, 20, 3, 8, 0, 0, 0, 0, 0}));
  EXPECT_EQ(decoder.position(), 2);
}

TEST(Decode, StartsAnewAndLeavesTheCallersTensorsAlone) {
  const Recorder model;
  Decoder decoder(model);
  const DecodeState first = model.start({10, 20}, 4);
  for (int round = 0; round < 2; ++round) {
    decoder.start(round == 0 ? first : model.start({30, 40}, 4));  // of the same shapes: copied to where they were
    EXPECT_EQ(decoder.step({3, 4}).to_vector()[0], round == 0 ? 10 : 30);
  }
  EXPECT_EQ(first.condition.to_vector(), (Values{10, 20}));
  decoder.start(model.start({5, 6, 7}, 2));
  EXPECT_EQ(decoder.step({1, 1, 1}).to_vector()[16], 7);
}

TEST(Decode, MisuseIsNamed) {
  const Recorder model;
  Decoder decoder(model);
  const auto message = [&](const std::function<void()>& work) { return error_of(ErrorCode::runtime, work); };
  EXPECT_NE(message([&] { decoder.step({1}); }).find("before start"), std::string::npos);
  EXPECT_NE(message([&] { decoder.start({}); }).find("without room"), std::string::npos);
  decoder.start(model.start({1, 2}, 1));
  EXPECT_NE(message([&] { decoder.step({1}); }).find("1 ids for 2 rows"), std::string::npos);
  EXPECT_NE(message([&] { decoder.reorder({1}); }).find("order of 1 rows for 2"), std::string::npos);
  decoder.step({1, 2});
  EXPECT_NE(message([&] { decoder.step({1, 2}); }).find("position 1 of a decoder for 1"), std::string::npos);
}

}  // namespace
}  // namespace kg
