// Batches of MotionGPT: every pair once an epoch, resumed from a step's number, little padding, and the loss of padded
// batches.
#include "models/motiongpt/batches.h"

#include <map>
#include <set>

#include "models/text/t5.h"
#include "nn/losses.h"
#include "tests/models/motiongpt/tiny_language.h"

namespace kg {
namespace {

using Ids = std::vector<int32_t>;

// Motions of 40 to 199 frames, as in HumanML3D, with three captions each. The first and the last code are the item's number; others are 7 or more.
TokenSet made_up_set(int items) {
  TokenSet set;
  const std::vector<std::string> captions = made_up_captions(200);
  for (int i = 0; i < items; ++i) {
    const Philox random{8, uint64_t(i)};
    Ids codes(10 + random.below(0, 40), i % 512);
    for (size_t t = 1; t + 1 < codes.size(); ++t) codes[t] = 7 + int32_t(random.below(t, 505));
    set.tokens.push_back(codes);
    set.captions.emplace_back();
    for (size_t k = 0; k < 3; ++k) set.captions.back().push_back(captions[(3 * size_t(i) + k) % 200]);
  }
  return set;
}
LanguageTask task_of(int items, bool pretraining, SequenceConfig config = {}) {
  return {made_up_set(items), (pretraining ? pretraining_templates() : instruction_templates()).tasks, pretraining, 20,
          config};
}
LanguageBatches batches_of(const LanguageTask& task, int64_t batch = 16, uint64_t seed = 3, int64_t window = 64) {
  return {task, caption_language(), batch, seed, window};
}

std::vector<std::vector<double>> values(const LanguageBatch& b) {
  return {b.ids.to_vector(), b.mask.to_vector(), b.labels.to_vector()};
}

TEST(LanguageBatch, PadsBothSides) {
  const LanguageBatch b = language_batch({{{5, 6, 1}, {1}}, {{7, 1}, {8, 9, 4, 1}}}, 0);
  EXPECT_EQ(b.ids.to_vector(), (std::vector<double>{5, 6, 1, 7, 1, 0}));
  EXPECT_EQ(b.mask.to_vector(), (std::vector<double>{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(b.labels.to_vector(), (std::vector<double>{1, -100, -100, -100, 8, 9, 4, 1}));
  EXPECT_EQ(b.inputs, 5);
  EXPECT_EQ(b.targets, 5);
  EXPECT_EQ(b.positions(), 14);
  EXPECT_DOUBLE_EQ(b.filled(), 10.0 / 14);
  error_of(ErrorCode::runtime, [] { language_batch({}, 0); });
}

// Tasks whose inputs tell the item and the sub-task: 7 items x 3 sub-tasks, batches of 4 in windows of 5.
TEST(LanguageBatches, EveryPairOnceAnEpoch) {
  LanguageTask task = task_of(7, false);
  const MotionLanguage& l = caption_language();
  task.tasks = parse_templates({"t", R"({"G": {
      "a": {"class": "m2t", "input": ["walks <Motion_Placeholder>"], "output": ["<Caption_Placeholder>"]},
      "b": {"class": "m2t", "input": ["jumps <Motion_Placeholder>"], "output": ["<Caption_Placeholder>"]},
      "c": {"class": "m2t", "input": ["claps <Motion_Placeholder>"], "output": ["<Caption_Placeholder>"]}}})"})
                   .tasks;
  LanguageBatches batches = batches_of(task, 4, 3, 5);
  EXPECT_EQ(batches.epoch_length(), 21);
  const auto key = [&](const Ids& input) {
    const Written w = l.read(input);
    return w.text + std::to_string(w.codes.at(3) * 1000 + w.codes.at(4));
  };
  // The places of each epoch, then the same pairs in the batches of 20 epochs. The first or the last code tells the item.
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::set<std::string> items;
    for (int64_t place = 0; place < 21; ++place) {
      const Written w = l.read(batches.pair(epoch * 21 + place).input);
      items.insert(w.text + std::to_string(w.codes[0] < 7 ? w.codes[0] : w.codes.back()));
    }
    EXPECT_EQ(items.size(), 21u);
  }
  std::multiset<std::string> places, rows;
  for (int64_t place = 0; place < 20 * 21; ++place) places.insert(key(batches.pair(place).input));
  for (int64_t step = 0; step < 20 * 21 / 4; ++step) {
    const LanguageBatch b = batches.batch(step);
    for (int64_t r = 0; r < 4; ++r) {
      const auto row = b.ids.select(0, r).contiguous();
      rows.insert(key({row.data<int32_t>(), row.data<int32_t>() + row.numel()}));
    }
  }
  EXPECT_EQ(rows, places);
}

TEST(LanguageBatches, SubTasksAreEquallyFrequent) {
  LanguageTask task = task_of(5, false);
  for (size_t i = 0; i < task.tasks.size(); ++i) {
    task.tasks[i].inputs.resize(1);
    task.tasks[i].inputs[0].parts = {{{std::to_string(i)}, {}}};
  }
  LanguageBatches batches = batches_of(task);
  EXPECT_EQ(batches.epoch_length(), 18 * 5);
  std::vector<std::string> order;
  for (int epoch = 0; epoch < 2; ++epoch) {
    std::map<std::string, int> seen;
    for (int64_t place = 0; place < 90; ++place) {
      order.push_back(caption_language().read(batches.pair(epoch * 90 + place).input).text);
      ++seen[order.back()];
    }
    EXPECT_EQ(seen.size(), 18u);
    for (const auto& [name, count] : seen) EXPECT_EQ(count, 5) << name;
  }
  EXPECT_FALSE(std::equal(order.begin(), order.begin() + 90, order.begin() + 90)) << "epochs in one order";
}

TEST(LanguageBatches, ResumesFromTheStepAlone) {
  for (const bool pretraining : {false, true}) {
    const LanguageTask task = task_of(30, pretraining);
    LanguageBatches forward = batches_of(task, 8, 3, 4), backward = batches_of(task, 8, 3, 4),
                    other = batches_of(task, 8, 4, 4);
    std::vector<std::vector<std::vector<double>>> seen;
    for (int64_t step = 0; step < 10; ++step) seen.push_back(values(forward.batch(step)));
    for (int64_t step = 9; step >= 0; --step) EXPECT_EQ(values(backward.batch(step)), seen[size_t(step)]) << step;
    EXPECT_NE(values(other.batch(0)), seen[0]);
    // A process's part of a batch: its rows, padded to its own longest ones.
    const LanguageBatch whole = forward.batch(2), part = forward.batch(2, 5, 8);
    EXPECT_EQ(part.ids.to_vector(), whole.ids.slice(0, 5, 8).slice(1, 0, part.ids.size(1)).contiguous().to_vector());
    EXPECT_EQ(forward.batch(2, 0, 5).targets + part.targets, whole.targets);
    error_of(ErrorCode::runtime, [&] { forward.batch(0, 3, 9); });
    error_of(ErrorCode::runtime, [&] { forward.batch(-1); });
  }
  error_of(ErrorCode::runtime, [] { batches_of(task_of(3, false), 0); });
  error_of(ErrorCode::runtime, [] { batches_of(task_of(0, false)); });
}

TEST(LanguageBatches, LittlePadding) {
  for (const bool pretraining : {true, false}) {
    LanguageBatches batches = batches_of(task_of(400, pretraining));
    const double filled = batches.filled(0, 192);
    int64_t real = 0;
    for (int64_t step = 0; step < 64; ++step) {
      const LanguageBatch b = batches.batch(step);
      real += b.inputs + b.targets;
    }
    const double padded = double(real) / double(64 * 16 * 2 * 256);
    std::printf("%s: %.1f %% of the positions are no pads; padded to 256 + 256: %.1f %%\n",
                pretraining ? "pre-training" : "instructions", 100 * filled, 100 * padded);
    EXPECT_GE(filled, 0.85);
    EXPECT_LT(padded, 0.4);
  }
}

TEST(LanguageBatches, ObjectivesOfPretraining) {
  const MotionLanguage& l = caption_language();
  const auto corrupted = [&](const SequenceConfig& config) {
    LanguageBatches batches = batches_of(task_of(20, true, config));
    std::map<std::string, int> seen;
    for (int64_t place = 0; place < 3000; ++place) {
      const Ids input = batches.pair(place).input;
      const bool sentinel = std::find(input.begin(), input.end(), l.sentinel(0)) != input.end();
      ++seen[!sentinel ? "supervised" : input[0] == l.motion_id(512) ? "motion" : "text"];
    }
    return seen;
  };
  std::map<std::string, int> seen = corrupted({});
  EXPECT_NEAR(seen["supervised"], 1800, 110);
  EXPECT_NEAR(seen["motion"], 600, 90);
  EXPECT_NEAR(seen["text"], 600, 90);
  seen = corrupted({.as_released = true});
  EXPECT_EQ(seen["supervised"], 3000);
}

// Padding neither adds to the loss nor changes it.
TEST(LanguageBatches, LossOfPaddedBatches) {
  T5Config config;
  config.vocabulary = caption_language().size(), config.width = 16, config.feedforward = 24, config.heads = 2;
  config.head_width = 8, config.layers = config.decoder_layers = 2, config.dropout = 0;
  default_generator() = {1, 0};
  T5 model(config);
  model.eval();
  model.to(Dtype::f64);
  LanguageBatches batches = batches_of(task_of(30, false), 6, 3, 8);
  const auto loss = [&](const LanguageBatch& b) {
    return cross_entropy_loss(model(b.ids, b.mask, t5_decoder_ids(b.labels)), b.labels).value.to_vector()[0];
  };
  const auto widened = [](const Tensor& t, double fill) {
    return concat(std::vector<Tensor>{t, Tensor::full({t.size(0), 256 - t.size(1)}, fill, t.dtype())}, 1);
  };
  NoGrad guard;
  for (int64_t step = 0; step < 2; ++step) {
    const LanguageBatch b = batches.batch(step);
    LanguageBatch padded = b;
    padded.ids = widened(b.ids, 0), padded.mask = widened(b.mask, 0), padded.labels = widened(b.labels, -100);
    EXPECT_NEAR(loss(b), loss(padded), 1e-10 * loss(b));
    // The same as the mean over the tokens of the pairs one by one.
    double sum = 0;
    for (int64_t r = 0; r < 6; ++r) {
      const LanguageBatch one = batches.batch(step, r, r + 1);
      sum += loss(one) * double(one.targets);
    }
    EXPECT_NEAR(loss(b), sum / double(b.targets), 1e-10 * loss(b));
  }
}

}  // namespace
}  // namespace kg
