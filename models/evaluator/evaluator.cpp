#include "models/evaluator/evaluator.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "nn/losses.h"

namespace kg {
namespace {

constexpr int64_t kMotionsAtOnce = 64, kSentencesAtOnce = 256;

// Rows of embed(items) for all items, some at a time: the longest first, so that little is padded.
template <class Embed>
Tensor in_batches(const std::vector<int64_t>& lengths, int64_t batch, int64_t width, Embed embed) {
  const int64_t count = int64_t(lengths.size());
  std::vector<int64_t> order(lengths.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return lengths[size_t(a)] > lengths[size_t(b)]; });
  const Tensor out = Tensor::empty({count, width});
  for (int64_t first = 0; first < count; first += batch) {
    const std::vector<int64_t> items(order.begin() + first, order.begin() + std::min(count, first + batch));
    const Tensor rows = embed(items).to(Device::cpu).to(Dtype::f32).contiguous();
    for (size_t i = 0; i < items.size(); ++i)
      std::memcpy(out.data<float>() + items[i] * width, rows.data<float>() + int64_t(i) * width,
                  size_t(width) * sizeof(float));
  }
  return out;
}

}  // namespace

Evaluator::Evaluator(const EvaluatorConfig& c, EvaluatorWords words, const Tensor& vectors)
    : movement_encoder(c.features - kUnseenFeatures, c.movement),
      motion_encoder(c.movement, c.motion, c.embedding),
      text_encoder(c.words, kWordClasses, c.text, c.embedding),
      word_vectors(words.size(), c.words),
      config_(c),
      words_(std::move(words)),
      trains_words_(!vectors.defined()) {
  reg("movement_encoder", movement_encoder);
  reg("motion_encoder", motion_encoder);
  reg("text_encoder", text_encoder);
  reg("word_vectors", word_vectors);
  if (trains_words_) return;
  CHECK(vectors.shape() == word_vectors.weight.shape(), "[evaluator] word vectors must have shape ",
        word_vectors.weight.shape(), ", have ", vectors.shape());
  word_vectors.weight.value.copy_from(vectors);
  word_vectors.set_requires_grad(false);
}

void Evaluator::check_motions(const Tensor& features, const std::vector<int64_t>& lengths) const {
  CHECK_INPUT(features.rank() == 3 && features.size(0) == int64_t(lengths.size()) &&
                  features.size(2) == config_.features && features.dtype() == Dtype::f32,
              "[evaluator] motions must be (", lengths.size(), ", frames, ", config_.features, ") f32, are ",
              features.shape(), " ", name_of(features.dtype()));
  for (size_t b = 0; b < lengths.size(); ++b)
    CHECK_INPUT(lengths[b] >= kMovementFrames && lengths[b] <= std::min(features.size(1), kEvaluatorFrames),
                "[evaluator] motion ", b, " has ", lengths[b], " frames; it must have ", kMovementFrames, " to ",
                kEvaluatorFrames, ", and no more than the batch's ", features.size(1));
}

// The convolutions see up to 4 frames of zeros behind the end of a motion, and nothing behind frame 196.
MotionBatch Evaluator::prepare_motion(const Tensor& features, const std::vector<int64_t>& lengths,
                                      int64_t length) const {
  check_motions(features, lengths);
  std::vector<int32_t> units;
  int64_t padded = length;
  for (int64_t frames : lengths) {
    units.push_back(int32_t(frames / kMovementFrames));
    padded = std::max(padded, (units.back() + 1) * kMovementFrames);
  }
  padded = std::min(padded, kEvaluatorFrames);
  const int64_t count = features.size(0), seen = config_.features - kUnseenFeatures;
  const Tensor in = features.to(Device::cpu).contiguous(), frames = Tensor::zeros({count, padded, seen});
  for (int64_t b = 0; b < count; ++b)
    for (int64_t t = 0; t < std::min(lengths[size_t(b)], padded); ++t)
      std::memcpy(frames.data<float>() + (b * padded + t) * seen,
                  in.data<float>() + (b * in.size(1) + t) * config_.features, size_t(seen) * sizeof(float));
  return {frames.to(device()), Tensor::from(units, {count}).to(device())};
}

SentenceBatch Evaluator::prepare_text(const std::vector<std::vector<std::string>>& tokens, int64_t length) const {
  CHECK_INPUT(!tokens.empty(), "[evaluator] there are no texts");
  std::vector<Sentence> sentences;
  std::vector<int32_t> lengths;
  for (const auto& t : tokens) {
    sentences.push_back(words_.encode(t));
    lengths.push_back(sentences.back().length);
    length = std::max<int64_t>(length, lengths.back());
  }
  CHECK(length <= kSentence, "[evaluator] sentences have at most ", kSentence, " words, asked for ", length);
  const int64_t count = int64_t(tokens.size());
  const Tensor words = Tensor::empty({count, length}, Dtype::i32),
               classes = Tensor::zeros({count, length, kWordClasses});
  for (int64_t b = 0; b < count; ++b)
    for (int64_t i = 0; i < length; ++i) {
      const Sentence& s = sentences[size_t(b)];
      words.data<int32_t>()[b * length + i] = s.words[size_t(i)];
      classes.data<float>()[(b * length + i) * kWordClasses + s.classes[size_t(i)]] = 1;
    }
  return {words.to(device()), classes.to(device()), Tensor::from(lengths, {count}).to(device())};
}

// The frozen movement encoder may be of another dtype than what is trained.
Var Evaluator::encode(const MotionBatch& batch) const {
  const Var movements = movement_encoder(in_dtype(Var(batch.frames), movement_encoder.dtype()));
  return motion_encoder(in_dtype(movements, motion_encoder.dtype()), batch.units);
}
Var Evaluator::encode(const SentenceBatch& batch) const {
  const Dtype dtype = text_encoder.dtype();
  const Var words = in_dtype(word_vectors(batch.words), dtype);
  return text_encoder(words, batch.classes.to(dtype), batch.lengths);
}

Tensor Evaluator::embed_motion(const Tensor& features, const std::vector<int64_t>& lengths) const {
  CHECK(!movement_encoder.training(), "[evaluator] call eval() before embedding");
  check_motions(features, lengths);
  NoGrad guard;
  return in_batches(lengths, kMotionsAtOnce, width(), [&](const std::vector<int64_t>& items) {
    std::vector<int64_t> frames;
    for (int64_t i : items) frames.push_back(lengths[size_t(i)]);
    const Tensor some = Tensor::empty({int64_t(items.size()), features.size(1), features.size(2)});
    for (size_t i = 0; i < items.size(); ++i) some.select(0, int64_t(i)).copy_from(features.select(0, items[i]));
    return encode(prepare_motion(some, frames)).value;
  });
}

Tensor Evaluator::embed_text(const std::vector<std::vector<std::string>>& tokens) const {
  NoGrad guard;
  std::vector<int64_t> lengths;
  for (const auto& t : tokens) lengths.push_back(std::min<int64_t>(int64_t(t.size()), kSentenceWords));
  return in_batches(lengths, kSentencesAtOnce, width(), [&](const std::vector<int64_t>& items) {
    std::vector<std::vector<std::string>> some;
    for (int64_t i : items) some.push_back(tokens[size_t(i)]);
    return encode(prepare_text(some)).value;
  });
}

void Evaluator::load_official(const NamedTensors& entries, const std::string& source) {
  const std::pair<std::string, Module*> parts[] = {
      {"movement_encoder.", &movement_encoder}, {"motion_encoder.", &motion_encoder}, {"text_encoder.", &text_encoder}};
  for (const auto& [prefix, module] : parts) {
    NamedTensors own;
    for (const auto& [name, tensor] : entries)
      if (name.starts_with(prefix)) own.emplace_back(name.substr(prefix.size()), tensor);
    CHECK_INPUT(!own.empty(), source, ": no weights under ", prefix, " as an evaluator has them");
    module->load_state_dict(own, source);
  }
}

MovementAutoencoder::MovementAutoencoder(const EvaluatorConfig& c)
    : movement_encoder(c.features - kUnseenFeatures, c.movement), movement_decoder(c.movement, c.features) {
  reg("movement_encoder", movement_encoder);
  reg("movement_decoder", movement_decoder);
}
MovementAutoencoder::Loss MovementAutoencoder::loss(const Tensor& x) const {
  constexpr double kWeight = 0.001;
  const Var frames = x.slice(2, 0, x.size(2) - kUnseenFeatures).contiguous();
  const Var code = movement_encoder(in_dtype(frames, dtype())), z = in_dtype(code, x.dtype());
  const int64_t steps = z.size(1);
  Loss l;
  l.reconstruction = l1_loss(in_dtype(movement_decoder(code), x.dtype()), x);
  l.sparsity = mean(abs(z));
  l.smoothness = l1_loss(slice(z, 1, 1, steps), slice(z, 1, 0, steps - 1));
  l.total = l.reconstruction + kWeight * l.sparsity + kWeight * l.smoothness;
  return l;
}

namespace {
Var pair_distance(const Var& a, const Var& b) {
  constexpr double kEps = 1e-6;
  return sqrt(sum(square(a - b + kEps), {1}));
}
}  // namespace

MatchingLoss matching_loss(const Var& text, const Var& motion, const Tensor& partner) {
  constexpr double kMargin = 10;
  const Dtype dtype = accumulator(text.dtype());
  const Var a = in_dtype(text, dtype), b = in_dtype(motion, dtype);
  MatchingLoss l;
  const int64_t count = a.size(0);  // motions behind these are partners only
  l.positive = mean(square(pair_distance(a, b.size(0) == count ? b : slice(b, 0, 0, count))));
  l.negative = mean(square(relu(affine(pair_distance(a, index_select(b, 0, partner)), -1, kMargin))));
  l.total = l.positive + l.negative;
  return l;
}

}  // namespace kg
