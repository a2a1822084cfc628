#include "models/retrieval/batches.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "data/text/words.h"
#include "models/retrieval/contrastive.h"

namespace kg {

CaptionVectors word_vectors(const std::vector<std::string>& data_set) {
  std::map<std::string, double> weights;  // at first the captions that have the word
  for (const std::string& caption : data_set) {
    const std::vector<std::string> words = split_words(caption);
    for (const std::string& word : std::set<std::string>(words.begin(), words.end())) weights[word] += 1;
  }
  const double count = double(data_set.size());
  for (auto& [word, weight] : weights) weight = std::log(count / weight) + 1;
  return [weights = std::move(weights), count](const std::vector<std::string>& captions) {
    std::map<std::string, int64_t> columns;
    std::vector<std::vector<std::string>> words;
    for (const std::string& caption : captions)
      for (const std::string& word : words.emplace_back(split_words(caption)))
        columns.emplace(word, int64_t(columns.size()));
    const int64_t width = std::max<int64_t>(1, int64_t(columns.size()));
    const Tensor rows = Tensor::zeros({int64_t(captions.size()), width});
    for (size_t i = 0; i < words.size(); ++i)
      for (const std::string& word : words[i]) {
        const auto known = weights.find(word);
        const double weight = known == weights.end() ? std::log(count + 1) + 1 : known->second;
        rows.data<float>()[int64_t(i) * width + columns.at(word)] += float(weight);
      }
    return rows;
  };
}

CaptionVectors feature_vectors(const TextEncoder& text, std::vector<std::string> captions,
                               const std::filesystem::path& cache) {
  std::sort(captions.begin(), captions.end());
  captions.erase(std::unique(captions.begin(), captions.end()), captions.end());
  const Tensor rows = cached_features(text, captions, cache);
  return [captions = std::move(captions), rows](const std::vector<std::string>& some) {
    std::vector<Tensor> found;
    for (const std::string& caption : some) {
      const auto place = std::lower_bound(captions.begin(), captions.end(), caption);
      CHECK(place != captions.end() && *place == caption, "[retrieval batches] \"", caption,
            "\" is none of the captions that were announced");
      found.push_back(rows.select(0, place - captions.begin()));
    }
    return stack(found, 0);
  };
}

RetrievalBatches::RetrievalBatches(const Dataset& set, const Statistics& statistics, RetrievalBatching options)
    : set_(set),
      statistics_(statistics),
      options_(std::move(options)),
      order_(int64_t(set.items.size()), options_.batch, options_.seed) {
  CHECK(options_.filter == 0 || options_.vectors, "[retrieval batches] a filter needs vectors of captions");
  for (const Item& item : set.items)
    CHECK(!item.captions.empty(), "[retrieval batches] item ", item.name, " has no caption");
}

Tensor RetrievalBatches::pair_mask(const std::vector<int32_t>& ids, const std::vector<std::string>& captions) const {
  const Tensor mask = same_item_mask(ids);
  if (options_.filter == 0) return mask;
  const Tensor alike = false_negative_mask(options_.vectors(captions), options_.filter);
  for (int64_t i = 0; i < mask.numel(); ++i) mask.data<uint8_t>()[i] |= alike.data<uint8_t>()[i];
  return mask;
}

RetrievalPairs RetrievalBatches::pairs(int64_t step, const Part& part) {
  CHECK(part.total == options_.batch, "[retrieval batches] a part of ", part.total, " pairs, batches have ",
        options_.batch);
  const std::vector<int64_t> items = order_.batch(step);
  const auto own = [&](const Tensor& t, int axis) { return t.slice(axis, part.begin, part.end).contiguous(); };
  RetrievalPairs p;
  std::vector<std::string> captions;  // of the whole batch
  std::vector<int32_t> ids;
  for (int64_t b = 0; b < options_.batch; ++b) {
    const int64_t place = step * options_.batch + b;
    const Item& item = set_.items[size_t(items[size_t(b)])];
    const uint32_t caption =
        draw(options_.seed, place, Draw::retriever_caption).below(0, uint32_t(item.captions.size()));
    captions.push_back(item.captions[caption].text);
    ids.push_back(int32_t(items[size_t(b)]));
    const int64_t whole = item.features.size(0),
                  frames = options_.window > 0 ? std::min(whole, options_.window) : whole;
    p.longest = std::max(p.longest, frames);
    if (b < part.begin || b >= part.end) continue;
    const int64_t begin = draw(options_.seed, place, Draw::retriever_window).below(0, uint32_t(whole - frames + 1));
    p.motions.push_back(normalize_features(item.features.slice(0, begin, begin + frames), statistics_));
  }
  p.captions.assign(captions.begin() + part.begin, captions.begin() + part.end);
  p.targets = own(places(options_.batch), 0);
  p.ids = Tensor::from(ids, {options_.batch});
  if (masks()) p.mask = own(pair_mask(ids, captions), 0);
  if (options_.noise > 0) {
    const Tensor noise = Tensor::empty({2, options_.batch, options_.noise});
    fill_normal(noise, 0, 1, draw(options_.seed, step, Draw::retriever_noise));
    p.noise = own(noise, 1);
  }
  return p;
}

std::vector<Tensor> RetrievalBatches::inputs(const RetrievalPairs& pairs, const Retriever& model,
                                             const TextCondition& text, Dtype dtype, int64_t length) const {
  const MotionInput motion = model.prepare(pairs.motions, length);
  std::vector<Tensor> in{motion.frames, motion.mask, pairs.targets, pairs.ids,
                         Tensor::full({1}, double(pairs.longest))};
  if (pairs.mask.defined()) in.push_back(pairs.mask);
  if (pairs.noise.defined()) in.push_back(pairs.noise);
  for (const Tensor& t : text.inputs(pairs.captions, dtype)) in.push_back(t);
  return in;
}

RetrievalBatch RetrievalBatches::batch(const std::vector<Tensor>& inputs, const Retriever& model) const {
  RetrievalBatch b;
  b.count = options_.batch;
  b.motion = {inputs.at(0), inputs.at(1)};
  b.targets = inputs.at(2), b.ids = inputs.at(3), b.longest = inputs.at(4);
  size_t next = 5;
  if (masks()) b.mask = inputs.at(next++);
  if (options_.noise > 0) b.noise = inputs.at(next++);
  if (model.text->frozen())
    b.states = inputs.at(next), b.text.mask = inputs.at(next + 1);
  else
    b.text = {inputs.at(next), inputs.at(next + 1), inputs.at(next + 2)};
  return b;
}

}  // namespace kg
