#include "models/text/text_encoder.h"

#include <algorithm>

#include "models/model_file.h"
#include "models/text/pooling.h"

namespace kg {

TextBatch text_batch(const std::vector<std::vector<int>>& ids, int64_t length, int pad, const Tensor& like) {
  const int64_t batch = int64_t(ids.size());
  CHECK(batch > 0, "[text encoder] no captions");
  int64_t t = length;
  for (const std::vector<int>& row : ids) t = std::max(t, int64_t(row.size()));
  const Tensor words = Tensor::full({batch, t}, pad, Dtype::i32), mask = Tensor::zeros({batch, t}, Dtype::u8);
  const Tensor share = Tensor::zeros({batch, t, 1}, Dtype::f64);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t n = int64_t(ids[size_t(b)].size());
    std::copy_n(ids[size_t(b)].data(), n, words.data<int32_t>() + b * t);
    mask.select(0, b).slice(0, 0, n).fill(1);
    share.select(0, b).slice(0, 0, n).fill(1.0 / double(n));
  }
  return {words.to(like.device()), mask.to(like.device()), share.to(like.dtype()).to(like.device())};
}

Var TextEncoder::pooled(const Var& states, const TextBatch& batch) const { return pool(states, batch.share); }

void TextEncoder::save(TensorFile& file) const {
  if (frozen_) return;
  append(file, "text.", state_dict());
  file.metadata["vocabulary"] = stored_vocabulary();
}

void TextEncoder::load(const TensorFile& file, const std::string& source) {
  check_same(file, read_part(read_model_config(file, source), "text", source), source);
  if (!frozen_) load_state_dict(extract(file, "text."), source);
}

}  // namespace kg
