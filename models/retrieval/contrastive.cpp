#include "models/retrieval/contrastive.h"

#include <cmath>
#include <numeric>

#include "nn/distributed.h"
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

Var rows_over_ranks(const Var& own, int64_t count) {
  if (world().size() == 1) {
    CHECK(own.size(0) == count, "[rows over ranks] ", own.size(0), " rows of a batch of ", count);
    return own;
  }
  const Part part = part_of(count);
  CHECK(own.size(0) == part.end - part.begin, "[rows over ranks] ", own.size(0), " rows, this process has ", part.begin,
        " to ", part.end, " of ", count);
  const Tensor all = Tensor::zeros({count, own.size(1)}, own.dtype(), own.value.device());
  all.slice(0, part.begin, part.end).copy_from(own.value);
  world().all_reduce_sum(all);  // the other processes' rows are 0 here
  return record("rows_over_ranks", all, {own}, [part](const Tensor& gy, Grads& gx) {
    const Tensor sums = gy.contiguous().clone();
    world().all_reduce_sum(sums);
    gx.add(0, sums.slice(0, part.begin, part.end).contiguous());
  });
}

PairLogits pair_logits(const Var& text, const Var& motion, int64_t count) {
  const Var texts = rows_over_ranks(text, count), motions = rows_over_ranks(motion, count);
  return {matmul(text, transpose(motions, 0, 1)), matmul(motion, transpose(texts, 0, 1))};
}

ContrastiveLoss contrastive_loss(const PairLogits& logits, const Tensor& targets, const Tensor& mask) {
  const Shape& shape = logits.text_to_motion.shape();
  CHECK(shape.rank() == 2 && shape[0] == targets.numel() && logits.motion_to_text.shape() == shape &&
            (!mask.defined() || mask.shape() == shape),
        "[contrastive loss] needs logits of ", targets.numel(), " rows, and a mask like them or none; got ", shape,
        ", ", logits.motion_to_text.shape(), " and ", mask.defined() ? mask.shape() : Shape{});
  ContrastiveLoss l;
  l.text_to_motion = cross_entropy_loss(without_masked(logits.text_to_motion, mask), targets);
  l.motion_to_text = cross_entropy_loss(without_masked(logits.motion_to_text, mask), targets);
  l.total = 0.5 * (l.text_to_motion + l.motion_to_text);
  return l;
}

}  // namespace kg
