#include "models/t2m_gpt/batches.h"

#include <algorithm>
#include <numeric>

namespace kg {

TokenSet tokenize(MotionTokenizer& tokenizer, const Dataset& set, int64_t context, uint64_t seed) {
  TokenSet out;
  const double tokens_a_second = set.skeleton.fps / double(kFramesPerToken);
  const auto add = [&](const std::vector<int32_t>& ids, int64_t begin, int64_t end, std::vector<std::string> captions) {
    end = std::min(end, begin + context - 2);
    out.tokens.emplace_back(ids.begin() + begin, ids.begin() + end);
    out.captions.push_back(std::move(captions));
  };
  for (size_t i = 0; i < set.items.size(); ++i) {
    const Item& item = set.items[i];
    const Crop crop = aligned_crop(int(item.features.size(0)), draw(seed, int64_t(i), Draw::token_crop));
    const std::vector<int32_t> ids = tokenizer.encode(item.features.slice(0, crop.begin, crop.begin + crop.frames));
    const int64_t count = int64_t(ids.size());
    std::vector<std::string> whole;
    for (const Caption& c : item.captions) {
      if (c.whole()) {
        whole.push_back(c.text);
        continue;
      }
      const int64_t begin = std::min(count, int64_t(c.start * tokens_a_second)),
                    end = std::min(count, int64_t(c.end * tokens_a_second));
      if (begin < end) add(ids, begin, end, {c.text});
    }
    if (!whole.empty()) add(ids, 0, count, std::move(whole));
  }
  return out;
}

std::vector<std::string> captions_of(const Dataset& set) {
  std::vector<std::string> captions;
  for (const Item& item : set.items)
    for (const Caption& c : item.captions) captions.push_back(c.text);
  return captions;
}

int64_t CaptionedBatch::targets() const {
  return std::accumulate(tokens.lengths.begin(), tokens.lengths.end(), int64_t(captions.size()));
}
CaptionedBatch CaptionedBatch::cut(int64_t begin, int64_t end) const {
  const auto some = [&](const auto& all) { return std::decay_t<decltype(all)>(&all[size_t(begin)], &all[0] + end); };
  return {{tokens.ids.slice(0, begin, end), some(tokens.lengths)}, some(captions)};
}

CaptionedBatch make_batch(const TokenSet& set, const std::vector<int64_t>& items, const Gpt& gpt, uint64_t seed,
                          int64_t position, bool training) {
  CaptionedBatch batch;
  const int64_t context = gpt.config().context;
  batch.tokens.ids = Tensor::full({int64_t(items.size()), context}, gpt.pad_id(), Dtype::i32);
  for (size_t b = 0; b < items.size(); ++b) {
    const auto& tokens = set.tokens[size_t(items[b])];
    const auto& captions = set.captions[size_t(items[b])];
    const int64_t place = position + int64_t(b);
    const Crop crop = training ? jittered_tokens(int(tokens.size()), draw(seed, place, Draw::token_jitter))
                               : Crop{0, int(tokens.size())};
    int32_t* row = batch.tokens.ids.data<int32_t>() + int64_t(b) * context;
    std::copy_n(tokens.data() + crop.begin, crop.frames, row);
    row[crop.frames] = gpt.end_id();
    batch.tokens.lengths.push_back(crop.frames);
    const uint32_t n = uint32_t(captions.size());
    batch.captions.push_back(captions[training ? draw(seed, place, Draw::caption).below(0, n) : 0]);
  }
  return batch;
}

Tensor corrupted_inputs(const CaptionedBatch& batch, const GptConfig& config, double keep, uint64_t seed,
                        int64_t step) {
  if (keep < 0) keep = double(draw(seed, step, Draw::keep).uniform(0));
  return corrupt(batch.tokens.ids.slice(1, 0, config.context - 1).contiguous(), keep, config.codes,
                 draw(seed, step, Draw::corruption));
}

}  // namespace kg
