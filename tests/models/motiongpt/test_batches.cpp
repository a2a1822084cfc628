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
LanguageBatches batches_of(const LanguageTask& task, int64_t batch = 16, uint64_t seed = 3, int64_t window = 256) {
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
  const LanguageBatch longer = language_batch({{{5, 6, 1}, {1}}}, 0, {5, 1});
  EXPECT_EQ(longer.ids.to_vector(), (std::vector<double>{5, 6, 1, 0, 0}));
  EXPECT_EQ(longer.mask.to_vector(), (std::vector<double>{1, 1, 1, 0, 0}));
  EXPECT_EQ(longer.labels.to_vector(), (std::vector<double>{1}));
  error_of(ErrorCode::runtime, [] { language_batch({}, 0); });
}

TEST(LanguageBatch, LengthsHaveALadder) {
  const auto rounded = [](int64_t input, int64_t target) {
    const auto [i, t] = rounded_up({input, target});
    return std::pair{i, t};
  };
  EXPECT_EQ(rounded(1, 1), (std::pair<int64_t, int64_t>{8, 4}));
  EXPECT_EQ(rounded(8, 16), (std::pair<int64_t, int64_t>{8, 16}));
  EXPECT_EQ(rounded(9, 17), (std::pair<int64_t, int64_t>{16, 24}));
  EXPECT_EQ(rounded(256, 250), (std::pair<int64_t, int64_t>{256, 256}));
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
    // A process's part of a batch: its rows, at the lengths of the whole, so that all processes have steps of one shape.
    const LanguageBatch whole = forward.batch(2), part = forward.batch(2, 5, 8);
    EXPECT_EQ(part.ids.to_vector(), whole.ids.slice(0, 5, 8).contiguous().to_vector());
    EXPECT_EQ(part.labels.to_vector(), whole.labels.slice(0, 5, 8).contiguous().to_vector());
    EXPECT_EQ(forward.batch(2, 0, 5).targets + part.targets, whole.targets);
    error_of(ErrorCode::runtime, [&] { forward.batch(0, 3, 9); });
    error_of(ErrorCode::runtime, [&] { forward.batch(-1); });
  }
  error_of(ErrorCode::runtime, [] { batches_of(task_of(3, false), 0); });
  error_of(ErrorCode::runtime, [] { batches_of(task_of(0, false)); });
}

// And few shapes: those that a bounded number of graphs knows already, two steps of each being taken without one.
TEST(LanguageBatches, LittlePaddingInFewShapes) {
  for (const bool pretraining : {true, false}) {
    LanguageBatches batches = batches_of(task_of(400, pretraining));
    constexpr int64_t kSteps = 768;
    std::map<std::pair<int64_t, int64_t>, int> shapes;
    int64_t real = 0, replayed = 0;
    for (int64_t step = 0; step < kSteps; ++step) {
      const LanguageBatch b = batches.batch(step);
      real += b.inputs + b.targets;
      replayed += ++shapes[{b.ids.size(1), b.labels.size(1)}] > 3;
    }
    const double filled = batches.filled(0, kSteps), padded = double(real) / double(kSteps * 16 * 2 * 256);
    std::printf(
        "%s: %.1f %% of the positions are no pads, in %zu shapes, %.1f %% of the first %d steps seen three times "
        "before; padded to 256 + 256: %.1f %%\n",
        pretraining ? "pre-training" : "instructions", 100 * filled, shapes.size(),
        100 * double(replayed) / double(kSteps), int(kSteps), 100 * padded);
    EXPECT_GE(filled, 0.85);
    EXPECT_LE(shapes.size(), 80u);
    EXPECT_GE(double(replayed), 0.7 * double(kSteps));
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

// Without the columns in which there are pads alone.
LanguageBatch cropped(LanguageBatch b) {
  int64_t source = 0, target = 0;
  for (int64_t r = 0; r < b.ids.size(0); ++r) {
    for (int64_t t = 0; t < b.ids.size(1); ++t)
      if (b.mask.data<uint8_t>()[r * b.ids.size(1) + t] != 0) source = std::max(source, t + 1);
    for (int64_t t = 0; t < b.labels.size(1); ++t)
      if (b.labels.data<int32_t>()[r * b.labels.size(1) + t] != -100) target = std::max(target, t + 1);
  }
  b.ids = b.ids.slice(1, 0, source).contiguous(), b.mask = b.mask.slice(1, 0, source).contiguous();
  b.labels = b.labels.slice(1, 0, target).contiguous();
  return b;
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
  // The gradient of all parameters, as one number of each.
  const auto gradients = [&](const LanguageBatch& b) {
    for (auto& [name, parameter] : model.named_parameters()) parameter->meta->grad = Tensor();
    backward(cross_entropy_loss(model(b.ids, b.mask, t5_decoder_ids(b.labels)), b.labels));
    std::vector<double> norms;
    for (auto& [name, parameter] : model.named_parameters()) norms.push_back(squared_norm(parameter->grad()));
    return norms;
  };
  int shorter = 0;
  for (int64_t step = 0; step < 4; ++step) {
    const LanguageBatch b = batches.batch(step), bare = cropped(b);
    shorter += bare.positions() < b.positions();
    EXPECT_NEAR(loss(b), loss(bare), 1e-10 * loss(b));
    const std::vector<double> rounded = gradients(b), exact = gradients(bare);
    for (size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(rounded[i], exact[i], 1e-10 * exact[i] + 1e-20) << i;
  }
  EXPECT_GT(shorter, 0) << "no batch was rounded up";
  NoGrad guard;
  for (int64_t step = 0; step < 2; ++step) {
    const LanguageBatch b = batches.batch(step);
    LanguageBatch padded = b;
    padded.ids = widened(b.ids, 0), padded.mask = widened(b.mask, 0), padded.labels = widened(b.labels, -100);
    EXPECT_NEAR(loss(b), loss(padded), 1e-10 * loss(b));
    // The same as the mean over the tokens of the pairs one by one.
    double sum = 0;
    for (int64_t r = 0; r < 6; ++r) {
      const LanguageBatch one = cropped(batches.batch(step, r, r + 1));
      sum += loss(one) * double(one.targets);
    }
    EXPECT_NEAR(loss(b), sum / double(b.targets), 1e-10 * loss(b));
  }
}

}  // namespace
}  // namespace kg
