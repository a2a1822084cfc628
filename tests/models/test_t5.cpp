// T5 against Hugging Face's (tests/golden/make_text_encoder_golden.py): encoder states, logits, loss, the gradient of
// every parameter, buckets of positions; cached decoding, greedy and beam search; sizes.
#include <set>

#include "models/beam_search.h"
#include "models/text/t5.h"
#include "models/text/weight_names.h"
#include "nn/losses.h"
#include "tests/error_of.h"
#include "tests/models/golden_model.h"

namespace kg {
namespace {

const std::vector<Tolerance> kT5Tolerances = {{Dtype::f64, 1e-9, 1e-9}, {Dtype::f32, 1e-5, 1e-5}};

struct Variant {
  const char* file;
  bool gated;
};
constexpr Variant kVariants[] = {{"t5.safetensors", false}, {"t5_gated.safetensors", true}};

T5Config tiny_t5(bool gated, int32_t end = 1) {
  T5Config c;
  c.vocabulary = 44, c.width = 16, c.feedforward = 20, c.heads = 3, c.head_width = 6;
  c.layers = c.decoder_layers = 2;
  c.gated = gated, c.tied = !gated, c.end = end;
  return c;
}

// A model of a variant with the golden weights, in evaluation.
struct GoldenT5 {
  GoldenT5(const Variant& variant, Dtype dtype, int32_t end = 1)
      : golden(variant.file), model(tiny_t5(variant.gated, end)) {
    load_golden(model, golden, dtype);
    model.eval();
    ids = golden.get("ids"), mask = golden.get("mask"), labels = golden.get("labels");
  }
  Golden golden;
  T5 model;
  Tensor ids, mask, labels;
};

TEST(T5, GoldenForwardLossAndGradients) {
  for (const Variant& variant : kVariants)
    for (const Tolerance& t : kT5Tolerances) {
      GoldenT5 g(variant, t.dtype);
      EXPECT_LT(relative_error(g.model.encode(g.ids, g.mask).value, g.golden.get("y.encoder")), t.forward);
      const Var logits = g.model(g.ids, g.mask, t5_decoder_ids(g.labels));
      EXPECT_LT(relative_error(logits.value, g.golden.get("y.logits")), t.forward);
      const Var loss = cross_entropy_loss(logits, g.labels);
      EXPECT_LT(relative_error(loss.value.reshape({1}), g.golden.get("loss")), t.forward);
      backward(loss);
      expect_golden_gradients(g.model, g.golden, t.gradient, variant.gated ? 51 : 47);
    }
}

TEST(T5, BucketsOfFarPositions) {
  const Golden golden("t5.safetensors");
  const T5Config config = tiny_t5(false);
  for (const bool encoder : {true, false}) {
    // the query at 400 of 801 keys
    const Tensor buckets = t5_buckets(1, 801, encoder, config, 400);
    expect_same_ids(buckets.reshape({801}), golden.get(encoder ? "buckets.encoder" : "buckets.decoder"), "buckets");
  }
}

TEST(T5, DecoderIdsAreTheLabelsMovedRight) {
  const Tensor labels = Tensor::from(std::vector<int32_t>{5, 6, 1, 7, 1, -100}, {2, 3});
  EXPECT_EQ(t5_decoder_ids(labels).to_vector(), (std::vector<double>{0, 5, 6, 0, 7, 1}));
  const Tensor padded = Tensor::from(std::vector<int32_t>{1, -100, -100}, {1, 3});
  EXPECT_EQ(t5_decoder_ids(padded).to_vector(), (std::vector<double>{0, 1, 0}));
  error_of(ErrorCode::runtime, [] { t5_decoder_ids(Tensor::full({2, 3}, -100, Dtype::i32)); });
}

TEST(T5, CachedDecodingIsTheFullForward) {
  for (const Variant& variant : kVariants) {
    GoldenT5 g(variant, Dtype::f64);
    NoGrad guard;
    const Tensor memory = g.model.encode(g.ids, g.mask).value, inputs = t5_decoder_ids(g.labels);
    const Tensor whole = g.model.logits(g.model.decode(inputs, Var(memory), g.mask)).value;
    const DecodeState state = g.model.start(memory, g.mask, inputs.size(1));
    for (int64_t t = 0; t < inputs.size(1); ++t) {
      state.position.fill(double(t));
      const Tensor logits = g.model.step(inputs.select(1, t).contiguous(), state);
      EXPECT_LT(relative_error(logits, whole.select(1, t).contiguous()), 1e-12) << t;
    }
  }
}

// The end tokens that the file has sequences for: greedy.E.
std::vector<int32_t> ends_of(const Golden& golden) {
  std::vector<int32_t> ends;
  for (const auto& [name, tensor] : golden.file().tensors)
    if (name.starts_with("greedy.")) ends.push_back(std::stoi(name.substr(7)));
  return ends;
}
// A row of generate(): without the first pad, up to the end token.
std::vector<int32_t> tokens_of(const Tensor& rows, int64_t row, int32_t end) {
  std::vector<int32_t> tokens;
  for (int64_t i = 1; i < rows.size(1); ++i) {
    const int32_t id = rows.data<int32_t>()[row * rows.size(1) + i];
    if (id == end) break;
    tokens.push_back(id);
  }
  return tokens;
}
std::vector<std::vector<int32_t>> rows_of(const Golden& golden, const std::string& name, int32_t end) {
  const Tensor rows = golden.get(name);
  std::vector<std::vector<int32_t>> out;
  for (int64_t b = 0; b < rows.size(0); ++b) out.push_back(tokens_of(rows, b, end));
  return out;
}

TEST(T5, GreedyAndBeamSearchWriteWhatTheReferenceWrites) {
  constexpr SampleOptions kGreedy{.greedy = true, .min_tokens = 0};
  for (const Variant& variant : kVariants)
    for (const Dtype dtype : {Dtype::f64, Dtype::f32}) {
      const std::vector<int32_t> ends = ends_of(Golden(variant.file));
      ASSERT_EQ(ends.size(), 3u);
      for (const int32_t end : ends) {
        GoldenT5 g(variant, dtype, end);
        const DecodeState start = g.model.start(g.model.encode(g.ids, g.mask).value, g.mask, 24);
        Decoder decoder(g.model);
        const std::string which = "." + std::to_string(end);
        EXPECT_EQ(write(decoder, start, {0, 1, 2}, kGreedy), rows_of(g.golden, "greedy" + which, end));
        for (const int64_t beams : {2, 4})
          EXPECT_EQ(beam_search(decoder, start, beams, kGreedy),
                    rows_of(g.golden, "beams." + std::to_string(beams) + which, end))
              << beams << " beams, end " << end << ", " << variant.file;
        EXPECT_EQ(beam_search(decoder, start, 1, kGreedy), rows_of(g.golden, "greedy" + which, end));
      }
    }
}

TEST(T5, SamplesDependOnTheirStreamAlone) {
  GoldenT5 g(kVariants[1], Dtype::f32);
  const Tensor memory = g.model.encode(g.ids, g.mask).value;
  const SampleOptions options{.temperature = 1.5, .top_k = 20, .seed = 9};
  Decoder decoder(g.model);
  const auto all = write(decoder, g.model.start(memory, g.mask, 12), {4, 5, 6}, options);
  const auto one = [&](int64_t row) {
    return g.model.start(memory.slice(0, row, row + 1).contiguous(), g.mask.slice(0, row, row + 1).contiguous(), 12);
  };
  for (int64_t b = 0; b < 3; ++b) EXPECT_EQ(write(decoder, one(b), {uint64_t(b) + 4}, options)[0], all[size_t(b)]);
  std::set<std::vector<int32_t>> different;
  for (uint64_t s = 0; s < 8; ++s) different.insert(write(decoder, one(0), {s}, options)[0]);
  EXPECT_GT(different.size(), 4u);
}

TEST(T5, LengthsStayWithinTheirBounds) {
  GoldenT5 g(kVariants[0], Dtype::f32, 38);
  const DecodeState start = g.model.start(g.model.encode(g.ids, g.mask).value, g.mask, 24);
  Decoder decoder(g.model);
  const SampleOptions at_least{.greedy = true, .min_tokens = 10};
  for (const auto& ids : write(decoder, start, {0, 1, 2}, at_least)) EXPECT_GE(ids.size(), 10u);
  for (const auto& ids : beam_search(decoder, start, 3, at_least)) EXPECT_GE(ids.size(), 10u);
  const SampleOptions at_most{.greedy = true, .min_tokens = 10, .max_tokens = 4};
  for (const auto& ids : write(decoder, start, {0, 1, 2}, at_most)) EXPECT_EQ(ids.size(), 4u);
  for (const auto& ids : beam_search(decoder, start, 3, at_most)) EXPECT_EQ(ids.size(), 4u);
  error_of(ErrorCode::runtime, [&] { g.model.start(start.source[0].k, g.mask, 0); });
  error_of(ErrorCode::runtime, [&] { beam_search(decoder, start, 0, at_most); });
  error_of(ErrorCode::runtime, [&] { beam_search(decoder, start, 23, at_most); });  // of 44 tokens
}

TEST(T5, DropoutIsOnInTrainingOnly) {
  GoldenT5 g(kVariants[0], Dtype::f32);
  const auto states = [&] { return g.model.encode(g.ids, g.mask).value.to_vector(); };
  EXPECT_EQ(states(), states());
  g.model.train();
  EXPECT_NE(states(), states());
}

TEST(T5, SizesOfThePublicModels) {
  const std::pair<const char*, int64_t> counts[] = {{"t5-small", 60506624},      {"t5-base", 222903552},
                                                    {"t5-large", 737668096},     {"flan-t5-small", 76961152},
                                                    {"flan-t5-base", 247577856}, {"flan-t5-large", 783150080}};
  for (const auto& [name, count] : counts) EXPECT_EQ(parameter_count(t5_preset(name)), count) << name;
  for (const Variant& variant : kVariants)
    EXPECT_EQ(T5(tiny_t5(variant.gated)).parameter_count(), parameter_count(tiny_t5(variant.gated)));
  T5Config motion = t5_preset("flan-t5-base");
  motion.vocabulary = 32615;
  EXPECT_EQ(parameter_count(motion), 248325888);
  error_of(ErrorCode::runtime, [] { t5_preset("t5-huge"); });
}

TEST(T5, SizesAndWeightsComeFromAFile) {
  for (const Variant& variant : kVariants) {
    const T5Config config = tiny_t5(variant.gated);
    const T5 model(config);
    NamedTensors file = model.state_dict();
    const Tensor shared = *find_weight(file, "shared.weight");
    std::erase_if(file, [](const auto& entry) { return entry.first == "shared.weight"; });
    for (const char* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
      file.emplace_back(name, shared);
    if (config.tied) file.emplace_back("lm_head.weight", shared);
    const T5Config found = t5_config(file, config.tied, "f");
    EXPECT_EQ(parameter_count(found), parameter_count(config));
    EXPECT_EQ(found.heads, 3);
    EXPECT_EQ(found.gated, variant.gated);
    T5 copy(found);
    copy.load_state_dict(t5_weights(file, config.tied, "f"), "f");
  }
  EXPECT_NE(error_of(ErrorCode::input, [] { t5_config({}, true, "f.bin"); }).find("f.bin: no T5"), std::string::npos);
}

}  // namespace
}  // namespace kg
