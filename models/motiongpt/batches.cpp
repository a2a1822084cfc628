#include "models/motiongpt/batches.h"

#include <algorithm>
#include <utility>

namespace kg {

LanguageLengths rounded_up(LanguageLengths lengths) {
  const auto multiple = [](int64_t length, int64_t of) { return (length + of - 1) / of * of; };
  return {multiple(lengths.input, 8), multiple(lengths.target, lengths.target <= 16 ? 4 : 8)};
}

LanguageBatch language_batch(const std::vector<LanguagePair>& pairs, int32_t pad, LanguageLengths least) {
  CHECK(!pairs.empty(), "[language batch] there are no pairs");
  LanguageBatch out;
  auto [source, target] = least;
  for (const LanguagePair& pair : pairs) {
    source = std::max(source, int64_t(pair.input.size()));
    target = std::max(target, int64_t(pair.target.size()));
    out.inputs += int64_t(pair.input.size());
    out.targets += int64_t(pair.target.size());
  }
  const int64_t rows = int64_t(pairs.size());
  out.ids = Tensor::full({rows, source}, pad, Dtype::i32);
  out.mask = Tensor::zeros({rows, source}, Dtype::u8);
  out.labels = Tensor::full({rows, target}, -100, Dtype::i32);
  for (int64_t b = 0; b < rows; ++b) {
    const LanguagePair& pair = pairs[size_t(b)];
    std::copy(pair.input.begin(), pair.input.end(), out.ids.data<int32_t>() + b * source);
    std::fill_n(out.mask.data<uint8_t>() + b * source, pair.input.size(), uint8_t(1));
    std::copy(pair.target.begin(), pair.target.end(), out.labels.data<int32_t>() + b * target);
  }
  return out;
}

LanguageBatches::LanguageBatches(LanguageTask task, const MotionLanguage& language, int64_t batch, uint64_t seed,
                                 int64_t window)
    : task_(std::move(task)),
      language_(language),
      batch_(batch),
      window_(window),
      seed_(seed),
      order_(task_.items.size() * int64_t(task_.tasks.size()), 1, seed) {
  CHECK(batch > 0 && window > 0, "[language batches] a batch of ", batch, ", a window of ", window);
}

LanguagePair LanguageBatches::pair(int64_t place) {
  const int64_t index = order_.at(place), item = index % task_.items.size();
  const SubTask& sub_task = task_.tasks[size_t(index / task_.items.size())];
  const auto& codes = task_.items.tokens[size_t(item)];
  const auto& captions = task_.items.captions[size_t(item)];
  const Crop crop = jittered_tokens(int(codes.size()), draw(seed_, place, Draw::token_jitter));
  const Filling filling{.codes = {codes.begin() + crop.begin, codes.begin() + crop.begin + crop.frames},
                        .caption = captions[draw(seed_, place, Draw::caption).below(0, uint32_t(captions.size()))],
                        .fps = task_.fps};
  const bool draws = task_.pretraining && !task_.config.as_released;
  const Objective what = draws ? draw_objective(draw(seed_, place, Draw::objective)) : Objective::supervised;
  if (what != Objective::supervised)
    return corrupted_pair(what, filling, language_, task_.config, draw(seed_, place, Draw::spans));
  return supervised_pair(sub_task, filling, language_, task_.config, draw(seed_, place, Draw::wording),
                         draw(seed_, place, Draw::quotes));
}

// By the rounded length of the input, and among equal ones by that of the target, up and down in turn, so that the few
// batches in which lengths change have pairs of like length as well.
void LanguageBatches::open_window(int64_t index) {
  if (index == opened_) return;
  const int64_t count = window_ * batch_;
  pairs_.clear();
  for (int64_t i = 0; i < count; ++i) pairs_.push_back(pair(index * count + i));
  const auto place = [](const LanguagePair& p) {
    const auto [input, target] = rounded_up({int64_t(p.input.size()), int64_t(p.target.size())});
    return std::pair{input, input / 8 % 2 == 0 ? target : -target};
  };
  std::stable_sort(pairs_.begin(), pairs_.end(),
                   [&](const LanguagePair& a, const LanguagePair& b) { return place(a) < place(b); });
  batch_order_ = random_order(window_, draw(seed_, index, Draw::language_window));
  opened_ = index;
}

LanguageBatch LanguageBatches::batch(int64_t step, int64_t begin, int64_t end) {
  CHECK(step >= 0 && 0 <= begin && begin < end && end <= batch_, "[language batches] pairs ", begin, " to ", end,
        " of batch ", step, " of ", batch_);
  open_window(step / window_);
  const auto first = pairs_.begin() + batch_order_[size_t(step % window_)] * batch_;
  LanguageLengths longest;
  for (auto p = first; p != first + batch_; ++p) {
    longest.input = std::max(longest.input, int64_t(p->input.size()));
    longest.target = std::max(longest.target, int64_t(p->target.size()));
  }
  return language_batch({first + begin, first + end}, language_.pad(), rounded_up(longest));
}

double LanguageBatches::filled(int64_t first, int64_t steps) {
  int64_t real = 0, positions = 0;
  for (int64_t step = first; step < first + steps; ++step) {
    const LanguageBatch b = batch(step);
    real += b.inputs + b.targets;
    positions += b.positions();
  }
  return positions > 0 ? double(real) / double(positions) : 1;
}

}  // namespace kg
