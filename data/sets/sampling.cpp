// Orders, windows and crops as functions of (seed, position).
#include "data/sets/sampling.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "tensor/error.h"

namespace kg {
std::vector<int64_t> random_order(int64_t count, Philox random) {
  CHECK(count >= 0 && count < int64_t{1} << 32, "[random_order] orders fewer than 2^32 things, got ", count);
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = count - 1; i > 0; --i)  // Fisher-Yates
    std::swap(order[size_t(i)], order[random.below(uint64_t(i), uint32_t(i + 1))]);
  return order;
}

ShuffledOrder::ShuffledOrder(int64_t count, int64_t batch, uint64_t seed) : count_(count), batch_(batch), seed_(seed) {
  CHECK(count > 0 && batch > 0, "[ShuffledOrder] needs something to order and a batch size, got ", count, " and ",
        batch);
  epoch_length_ = count >= batch ? count / batch * batch : count;
}

int64_t ShuffledOrder::at(int64_t position) {
  CHECK(position >= 0, "[ShuffledOrder] position ", position, " is negative");
  const int64_t epoch = position / epoch_length_;
  if (epoch != epoch_) {
    order_ = random_order(count_, draw(seed_, epoch, Draw::order));
    epoch_ = epoch;
  }
  return order_[size_t(position % epoch_length_)];
}

std::vector<int64_t> ShuffledOrder::batch(int64_t iteration) {
  std::vector<int64_t> items;
  for (int64_t b = 0; b < batch_; ++b) items.push_back(at(iteration * batch_ + b));
  return items;
}

namespace {
// Windows up to and with each clip, where every place counts; otherwise nothing.
std::vector<int64_t> window_ends(const std::vector<Tensor>& clips, int window, Windows windows) {
  std::vector<int64_t> ends;
  if (windows == Windows::of_clips) return ends;
  for (const Tensor& clip : clips)
    ends.push_back((ends.empty() ? 0 : ends.back()) + std::max<int64_t>(clip.size(0) - window + 1, 0));
  return ends;
}
}  // namespace

WindowSampler::WindowSampler(std::vector<Tensor> clips, int window, int batch, uint64_t seed, Windows windows)
    : clips_(std::move(clips)),
      ends_(window_ends(clips_, window, windows)),
      window_(window),
      batch_(batch),
      seed_(seed),
      order_(ends_.empty() ? int64_t(clips_.size()) : ends_.back(), batch, seed) {
  CHECK(window > 0, "[WindowSampler] window ", window, " must be positive");
  for (Tensor& clip : clips_) {
    CHECK(clip.rank() == 2 && clip.dtype() == Dtype::f32 && clip.size(0) >= window && clip.size(1) == clips_[0].size(1),
          "[WindowSampler] a clip must be (", window, " or more, ", clips_[0].size(-1), ") f32, got ", clip.shape());
    clip = clip.contiguous();
  }
}

Tensor WindowSampler::batch(int64_t iteration, int begin, int end) {
  CHECK(0 <= begin && begin < end && end <= batch_, "[WindowSampler] windows ", begin, " to ", end, " of a batch of ",
        batch_);
  const int64_t width = clips_[0].size(1), block = window_ * width;
  const Tensor out = Tensor::empty({end - begin, window_, width});
  for (int64_t i = 0; i < end - begin; ++i) {
    const int64_t position = iteration * batch_ + begin + i, drawn = order_.at(position);
    int64_t clip = drawn, frame;
    if (ends_.empty()) {
      frame = draw(seed_, position, Draw::window).below(0, uint32_t(clips_[size_t(clip)].size(0) - window_ + 1));
    } else {
      clip = std::upper_bound(ends_.begin(), ends_.end(), drawn) - ends_.begin();
      frame = drawn - (clip == 0 ? 0 : ends_[size_t(clip - 1)]);
    }
    std::memcpy(out.data<float>() + i * block, clips_[size_t(clip)].data<float>() + frame * width,
                size_t(block) * sizeof(float));
  }
  return out;
}

Crop aligned_crop(int frames, Philox random, int unit) {
  CHECK(unit > 0 && frames >= unit, "[aligned_crop] ", frames, " frames have no unit of ", unit);
  const int length = frames / unit * unit;
  return {int(random.below(0, uint32_t(frames - length + 1))), length};
}

Crop random_crop(int frames, Philox random, int unit) {
  CHECK(unit > 0 && frames >= unit, "[random_crop] ", frames, " frames have no unit of ", unit);
  int length = frames / unit * unit;
  if (length > unit && random.below(1, 3) == 0) length -= unit;
  return {int(random.below(0, uint32_t(frames - length + 1))), length};
}

Crop jittered_tokens(int tokens, Philox random) {
  CHECK(tokens > 0, "[jittered_tokens] there are no tokens");
  if (tokens == 1 || random.below(0, 3) != 0) return {0, tokens};
  return {int(random.below(1, 2)), tokens - 1};
}

}  // namespace kg
