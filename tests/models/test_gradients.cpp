// Whole tiny models: gradients against central differences in f64, losses that fall, no memory from the system in a
// warm step, and the sizes of the presets.

#include <gtest/gtest.h>

#include <cmath>
#include <regex>

#include "models/t2m_gpt/presets.h"
#include "models/tokenizer/presets.h"
#include "nn/losses.h"
#include "nn/optim.h"
#include "tests/autograd/op_checks.h"
#include "tests/models/model_cases.h"

namespace kg {
namespace {

const CodebookUpdate kUpdates[] = {CodebookUpdate::ema_reset, CodebookUpdate::ema, CodebookUpdate::reset,
                                   CodebookUpdate::learned};

VqVaeConfig tiny_tokenizer(CodebookUpdate update) {
  VqVaeConfig config;
  config.features = 23, config.width = 4, config.codes = 5, config.update = update;
  config.commitment = 0.25;
  return config;
}
Tensor random(const Shape& shape, Dtype dtype, uint64_t stream, double stddev = 1) {
  const Tensor t = Tensor::empty(shape, dtype);
  fill_normal(t, 0, stddev, {12, stream});
  return t;
}

class Models : public testing::TestWithParam<ModelCase> {};
TEST_P(Models, GradientsAreThoseOfCentralDifferences) {
  const GradcheckResult result = check(GetParam());
  EXPECT_TRUE(result) << result.message;
  EXPECT_TRUE(is_tight(GetParam().tolerance, result.error)) << GetParam().tolerance << ", right to " << result.error;
}
// With a graph, which the gradients come from, or without, as for the differences.
TEST_P(Models, LossIsTheSameEachTime) {
  const ModelLoss model = GetParam().make();
  const double recorded = model.loss().item();
  NoGrad guard;
  EXPECT_NEAR(model.loss().item(), recorded, 1e-12);
}
INSTANTIATE_TEST_SUITE_P(Table, Models, testing::ValuesIn(model_cases()), [](const auto& info) {
  return std::regex_replace(info.param.name(), std::regex("[^A-Za-z0-9]+"), "_");
});

GptConfig tiny_gpt() {
  GptConfig config;
  config.codes = 5, config.condition = 6, config.width = 8, config.heads = 2, config.layers = 2;
  config.feedforward = 12, config.context = 7, config.dropout = 0.2;
  return config;
}
const std::vector<std::string> kTrainedCaptions = {"a person walks", "someone jumps up and down twice"};
WordTransformer tiny_text_encoder() {
  WordTransformerConfig config;
  config.width = 6, config.layers = 1, config.heads = 2, config.feedforward = 8, config.dropout = 0.2;
  return {WordVocabulary::build(kTrainedCaptions), config};
}
// Rows of a batch: tokens, end (5), pads (6).
GptBatch tiny_batch() { return {Tensor::from<int32_t>({1, 4, 0, 5, 6, 6, 6, 2, 2, 3, 0, 1, 4, 5}, {2, 7}), {3, 6}}; }

// ---- training on one batch
struct LossCourse {
  double first, last;
};
LossCourse train(AdamW& optimizer, int steps, const std::function<Var()>& forward) {
  LossCourse course{};
  int64_t warm = 0;
  for (int step = 0; step < steps; ++step) {
    optimizer.zero_grad();
    const Var loss = forward();
    backward(loss);
    optimizer.clip_grad_norm(1);
    optimizer.step();
    course.last = loss.item();
    if (step == 0) course.first = course.last;
    const int64_t calls = allocator_stats(Device::cpu).system_calls;
    if (step == 2) warm = calls;
    if (step > 2 && step <= 6) {
      EXPECT_EQ(calls, warm) << "step " << step << " took memory from the system";
    }
  }
  return course;
}
AdamOptions with_rate(double lr) {
  AdamOptions options;
  options.lr = lr;
  return options;
}

TEST(Training, TokenizersLossFallsOnOneBatch) {
  for (CodebookUpdate update : kUpdates) {
    SCOPED_TRACE(name_of_value(update));
    default_generator() = {31, 0};
    VqVaeConfig config = tiny_tokenizer(update);
    config.width = 16;
    VqVae model(config);
    const Tensor x = random({4, 16, 23}, Dtype::f32, 3, 0.5);
    AdamW optimizer(model, with_rate(3e-3));
    const LossCourse course = train(optimizer, 60, [&] { return model.loss(model(x), x).total; });
    EXPECT_LT(course.last, 0.8 * course.first);
  }
}
TEST(Training, TransformersLossFallsOnOneBatch) {
  default_generator() = {32, 0};
  Gpt gpt(tiny_gpt());
  const WordTransformer text = tiny_text_encoder();
  const GptBatch batch = tiny_batch();
  const Tensor inputs = batch.ids.slice(1, 0, 6).contiguous();
  AdamW optimizer({{.parameters = gpt.named_parameters()}, {.parameters = text.named_parameters()}}, with_rate(1e-2));
  const LossCourse course =
      train(optimizer, 60, [&] { return gpt_loss(gpt(text.encode(kTrainedCaptions), inputs), batch); });
  EXPECT_NEAR(course.first, std::log(6), 0.1);  // small weights: every one of the six tokens alike
  EXPECT_LT(course.last, 0.5 * course.first);
}

// ---- presets
int64_t block_parameters(const Module& module, const std::string& prefix) {
  int64_t count = 0;
  for (const auto& [name, parameter] : module.named_parameters())
    if (name.starts_with(prefix)) count += parameter->numel();
  return count;
}

TEST(Presets, ThePapersTokenizer) {
  const VqVae model(tokenizer_preset("paper").model);
  EXPECT_EQ(block_parameters(model, "vqvae.encoder."), 9587200);
  EXPECT_EQ(block_parameters(model, "vqvae.decoder."), 9849607);
  EXPECT_EQ(model.parameter_count(), 19436807);
}
TEST(Presets, ThePapersTransformer) {
  // Two layers are enough to count: the blocks are alike.
  GptConfig config = gpt_preset("paper").model;
  ASSERT_EQ(config.layers, 18);
  config.layers = 2;
  const Gpt gpt(config);
  const int64_t block = block_parameters(gpt, "trans_base.blocks.0.");
  EXPECT_EQ(block, 12596224);
  EXPECT_EQ(block_parameters(gpt, "trans_head.blocks.0."), block);
  EXPECT_EQ(gpt.parameter_count() + 16 * block, 228363264);
}
TEST(Presets, TransformersFitTheirTokenizersAndTextEncoders) {
  for (const char* name : kPresets) {
    EXPECT_EQ(gpt_preset(name).model.codes, tokenizer_preset(name).model.codes) << name;
    EXPECT_EQ(gpt_preset(name).model.condition, gpt_preset(name).text.width) << name;
  }
  EXPECT_THROW(tokenizer_preset("huge"), Error);
  EXPECT_THROW(gpt_preset("huge"), Error);
}

TEST(Presets, RatesAreThoseOfTheRecipes) {
  const Recipe tokenizer = tokenizer_preset("paper").training, gpt = gpt_preset("paper").training;
  EXPECT_DOUBLE_EQ(tokenizer.schedule.at(999, 300000), 2e-4 * 1000 / 1001);
  EXPECT_DOUBLE_EQ(tokenizer.schedule.at(1000 + 199332, 300000), 2e-4);  // two thirds of 299,000 are 199,333
  EXPECT_DOUBLE_EQ(tokenizer.schedule.at(1000 + 199333, 300000), 1e-5);
  EXPECT_DOUBLE_EQ(gpt.schedule.at(149999, 300000), 1e-4);
  EXPECT_DOUBLE_EQ(gpt.schedule.at(150000, 300000), 5e-6);
  EXPECT_EQ(gpt.clip, 0);
  EXPECT_EQ(gpt_preset("tiny").training.clip, 1);
}

}  // namespace
}  // namespace kg
