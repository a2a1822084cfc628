// T2M-GPT's transformer against PyTorch (tests/golden/gpt.safetensors): logits, loss, gradients, three AdamW steps,
// decoding with the key/value cache and greedy sampling, in f64 and f32.

#include "models/sampling.h"
#include "models/t2m_gpt/gpt.h"
#include "tests/models/golden_model.h"

namespace kg {
namespace {

const Golden& gpt_golden() {
  static const Golden file("gpt.safetensors");
  return file;
}

GptConfig golden_gpt_config() {
  GptConfig config;
  config.codes = 16, config.condition = 6, config.width = 8, config.heads = 2, config.layers = 4;
  config.feedforward = 32, config.context = 8, config.dropout = 0;
  return config;
}

struct Batch {
  Tensor inputs, condition;
  GptBatch target;
};
Batch batch(int step, Dtype dtype) {
  const std::string prefix = "batch." + std::to_string(step) + ".";
  Batch b{gpt_golden().get(prefix + "tokens"),
          gpt_golden().get(prefix + "cond", dtype),
          {gpt_golden().get(prefix + "target"), {}}};
  for (double n : gpt_golden().get(prefix + "length").to_vector()) b.target.lengths.push_back(int64_t(n));
  return b;
}

TEST(GptGolden, ForwardGradientsAndThreeSteps) {
  AdamOptions options;
  options.lr = 1e-4, options.beta1 = 0.5, options.beta2 = 0.9, options.weight_decay = 1e-6;
  for (const Tolerance& t : kTolerances) {
    SCOPED_TRACE(name_of(t.dtype));
    Gpt model(golden_gpt_config());
    load_golden(model, gpt_golden(), t.dtype);
    model.train();
    AdamW optimizer(model, options);
    for (int step = 0; step < 3; ++step) {
      const Batch b = batch(step, t.dtype);
      optimizer.zero_grad();
      const Var logits = model(b.condition, b.inputs), loss = gpt_loss(logits, b.target);
      backward(loss);
      if (step == 0) {
        EXPECT_LT(relative_error(logits.value, gpt_golden().get("y.logits")), t.forward);
        expect_golden_gradients(model, gpt_golden(), t.gradient);
      }
      optimizer.step();
      const double want = gpt_golden().get("loss." + std::to_string(step)).item();
      EXPECT_NEAR(loss.item(), want, want * t.forward) << "step " << step;
      expect_golden_step(model, gpt_golden(), step, options.lr, t.dtype);
    }
  }
}

TEST(GptGolden, CachedDecodingGivesTheLogitsOfTheWholeSequence) {
  for (const Tolerance& t : kTolerances) {
    Gpt model(golden_gpt_config());
    load_golden(model, gpt_golden(), t.dtype);
    model.eval();
    const Batch b = batch(0, t.dtype);
    const Tensor want = gpt_golden().get("y.logits");
    const DecodeState state = model.start(b.condition, 8);
    for (int64_t position = 0; position < 8; ++position) {
      const Tensor ids = b.inputs.select(1, std::max<int64_t>(0, position - 1)).contiguous();  // not read at 0
      state.position.fill(double(position));
      const Tensor logits = model.step(ids, state);
      EXPECT_LT(relative_error(logits, want.select(1, position)), t.forward) << "position " << position;
    }
  }
}

TEST(GptGolden, PositionsAreTheFixedTable) {
  EXPECT_LT(relative_error(sinusoidal_positions(8, 8), gpt_golden().get("positions")), 1e-7);
}

TEST(GptGolden, GreedySamplesOfThreeEndings) {
  SampleOptions greedy;
  greedy.greedy = true, greedy.min_tokens = 0;
  for (const Tolerance& t : kTolerances) {
    Gpt model(golden_gpt_config());
    load_golden(model, gpt_golden(), t.dtype);
    model.eval();
    std::vector<Tensor> conditions;
    for (int i = 0; i < 3; ++i)
      conditions.push_back(gpt_golden().get("sample." + std::to_string(i) + ".cond", t.dtype));
    Decoder decoder(model);
    const Sequences tokens = write(decoder, model.start(concat(conditions, 0)), {0, 1, 2}, greedy);
    for (size_t i = 0; i < 2; ++i) {
      const std::vector<double> want = gpt_golden().get("sample." + std::to_string(i) + ".tokens").to_vector();
      EXPECT_EQ(std::vector<double>(tokens[i].begin(), tokens[i].end()), want) << "sample " << i;
    }
    EXPECT_EQ(tokens[0].size(), 7u);  // all positions used: no end
    EXPECT_TRUE(tokens[2].empty());   // the end came first
    // Alone gives the same as in a batch.
    EXPECT_EQ(write(decoder, model.start(conditions[1]), {1}, greedy)[0], tokens[1]);
  }
}

}  // namespace
}  // namespace kg
