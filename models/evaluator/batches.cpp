#include "models/evaluator/batches.h"

namespace kg {

std::vector<Tensor> normalized_clips(const Dataset& set, const Statistics& statistics) {
  std::vector<Tensor> clips;
  for (const Item& item : set.items) clips.push_back(normalize_features(item.features, statistics));
  return clips;
}

MotionTextPairs PairSource::take(const std::vector<int64_t>& items, const std::vector<int64_t>& places) const {
  MotionTextPairs p;
  p.motions = Tensor::zeros({int64_t(items.size()), kEvaluatorFrames, clips_.at(0).size(1)});
  for (size_t b = 0; b < items.size(); ++b) {
    const Tensor& clip = clips_[size_t(items[b])];
    const std::vector<Caption>& captions = set_.items[size_t(items[b])].captions;
    const int length = int(clip.size(0)), whole = length / int(kMovementFrames) * int(kMovementFrames);
    const bool drawn = !places.empty();
    const Crop crop = drawn ? random_crop(length, draw(seed_, places[b], Draw::evaluator_crop)) : Crop{0, whole};
    const uint32_t caption =
        drawn ? draw(seed_, places[b], Draw::evaluator_caption).below(0, uint32_t(captions.size())) : 0;
    p.motions.select(0, int64_t(b))
        .slice(0, 0, crop.frames)
        .copy_from(clip.slice(0, crop.begin, crop.begin + crop.frames));
    p.frames.push_back(crop.frames);
    p.tokens.push_back(captions[caption].tokens);
  }
  return p;
}

MatchingBatch matching_batch(const PairSource& source, const std::vector<int64_t>& items, int64_t step, int64_t shift,
                             int64_t begin, int64_t end) {
  const auto count = int64_t(items.size()), own = end - begin;
  std::vector<int64_t> taken, places;
  const auto take = [&](int64_t i) { taken.push_back(items[size_t(i)]), places.push_back(step * count + i); };
  for (int64_t i = begin; i < end; ++i) take(i);
  if (own == count) return {source.take(taken, places), partners(count, shift)};
  std::vector<int32_t> partner;
  for (int64_t i = begin; i < end; ++i) {
    take((i + shift) % count);
    partner.push_back(int32_t(own + i - begin));
  }
  MatchingBatch batch{source.take(taken, places), Tensor::from(partner, {own})};
  batch.pairs.tokens.resize(size_t(own));
  return batch;
}

Tensor partners(int64_t count, int64_t shift) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(int32_t((i + shift) % count));
  return Tensor::from(ids, {count});
}

}  // namespace kg
