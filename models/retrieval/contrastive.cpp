#include "models/retrieval/contrastive.h"

#include <cmath>
#include <numeric>

#include "nn/losses.h"

namespace kg {
namespace {
constexpr double kHidden = -1e9;  // below every logit by more than what exp() of any float type resolves

template <class Same>
Tensor pair_mask(int64_t count, Same same) {
  const Tensor mask = Tensor::zeros({count, count}, Dtype::u8);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < count; ++j) mask.data<uint8_t>()[i * count + j] = i != j && same(i, j);
  return mask;
}
}  // namespace

Tensor places(int64_t count) {
  std::vector<int32_t> ids(size_t(count), 0);
  std::iota(ids.begin(), ids.end(), 0);
  return Tensor::from(ids, {count});
}

Tensor same_item_mask(const std::vector<int32_t>& ids) {
  return pair_mask(int64_t(ids.size()), [&](int64_t i, int64_t j) { return ids[size_t(i)] == ids[size_t(j)]; });
}

Tensor false_negative_mask(const Tensor& vectors, double threshold) {
  CHECK(vectors.rank() == 2, "[false negatives] vectors must be (batch, width), are ", vectors.shape());
  CHECK(threshold > 0 && threshold <= 1, "[false negatives] the threshold must be in (0, 1], is ", threshold);
  const int64_t count = vectors.size(0), width = vectors.size(1);
  const std::vector<double> v = vectors.to_vector();
  const auto dot = [&](int64_t i, int64_t j) {
    return std::inner_product(v.begin() + i * width, v.begin() + (i + 1) * width, v.begin() + j * width, 0.0);
  };
  std::vector<double> norms;
  for (int64_t i = 0; i < count; ++i) norms.push_back(std::sqrt(dot(i, i)));
  return pair_mask(count, [&](int64_t i, int64_t j) {
    return dot(i, j) > (2 * threshold - 1) * norms[size_t(i)] * norms[size_t(j)];
  });
}

Var without_masked(const Var& logits, const Tensor& mask) {
  return mask.defined() ? masked_fill(logits, mask, kHidden) : logits;
}

ContrastiveLoss contrastive_loss(const Var& logits, const Tensor& targets, const Tensor& mask) {
  const Shape square{targets.numel(), targets.numel()};
  CHECK(logits.shape() == square && (!mask.defined() || mask.shape() == square), "[contrastive loss] needs logits ",
        square, ", and a mask like them or none; got ", logits.shape(), " and ",
        mask.defined() ? mask.shape() : Shape{});
  const Var rows = without_masked(logits, mask);
  ContrastiveLoss l;
  l.text_to_motion = cross_entropy_loss(rows, targets);
  l.motion_to_text = cross_entropy_loss(contiguous(transpose(rows, 0, 1)), targets);
  l.total = 0.5 * (l.text_to_motion + l.motion_to_text);
  return l;
}

}  // namespace kg
