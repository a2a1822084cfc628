#include "nn/losses.h"

namespace kg {
namespace {
constexpr int kIgnore = -100;

void check_same_shape(const char* op, const Var& prediction, const Var& target) {
  CHECK(prediction.shape() == target.shape(), "[", op, "] prediction ", prediction.shape(), " and target ",
        target.shape(), " differ in shape");
}
// logits (..., K) -> (N, K), having checked that target is (...).
Var rows_of(const char* op, const Var& logits, const Tensor& target) {
  Shape expected = logits.shape();
  CHECK(expected.rank() > 0, "[", op, "] logits need an axis of classes");
  expected.erase(expected.rank() - 1);
  CHECK(target.shape() == expected && target.dtype() == Dtype::i32, "[", op, "] logits ", logits.shape(),
        " need an i32 target ", expected, ", got ", name_of(target.dtype()), " ", target.shape());
  return reshape(logits, {target.numel(), logits.size(-1)});
}
}  // namespace

Var mse_loss(const Var& prediction, const Var& target) {
  check_same_shape("mse_loss", prediction, target);
  return mean(square(prediction - target));
}
Var l1_loss(const Var& prediction, const Var& target) {
  check_same_shape("l1_loss", prediction, target);
  return mean(abs(prediction - target));
}
Var smooth_l1_loss(const Var& prediction, const Var& target, double beta) {
  check_same_shape("smooth_l1_loss", prediction, target);
  CHECK(beta > 0, "[smooth_l1_loss] beta must be positive, is ", beta);
  return mean(smooth_l1(prediction - target, beta));
}

Var cross_entropy_loss(const Var& logits, const Tensor& target, int ignore_index, double smoothing) {
  const Var rows = rows_of("cross_entropy_loss", logits, target);
  const Tensor ids = target.reshape({-1}), none = Tensor::scalar(ignore_index, Dtype::i32, target.device());
  const Var each = cross_entropy(rows, ids, ignore_index, smoothing);
  const Tensor counted = affine(equal(ids, none).to(each.dtype()), -1, 1);  // 1 - ignored
  return sum(each) / Var(sum(counted));
}

SampleTargets sample_targets(const Tensor& target, const std::vector<int64_t>& counts, Dtype dtype, Device device) {
  CHECK(target.rank() == 2 && int64_t(counts.size()) == target.size(0), "[sample_mean_cross_entropy] ", counts.size(),
        " counts for a target of shape ", target.shape());
  const int64_t batch = target.size(0), time = target.size(1);
  const std::vector<double> given = target.to_vector();
  std::vector<int32_t> ids(size_t(batch * time), kIgnore);
  std::vector<double> weights(size_t(batch * time), 0);
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t count = counts[size_t(b)];
    CHECK(0 < count && count <= time, "[sample_mean_cross_entropy] sample ", b, " counts ", count,
          " positions, expected 1 to ", time);
    for (int64_t i = b * time; i < b * time + count; ++i) {
      ids[size_t(i)] = int32_t(given[size_t(i)]);
      weights[size_t(i)] = 1 / double(batch * count);
    }
  }
  return {Tensor::from(ids, {batch * time}).to(device),
          Tensor::from(weights, {batch * time}).to(accumulator(dtype)).to(device)};
}
Var sample_mean_cross_entropy(const Var& logits, const SampleTargets& targets) {
  const Var rows = reshape(logits, {targets.ids.numel(), logits.size(-1)});
  return sum(cross_entropy(rows, targets.ids, kIgnore) * Var(targets.weights));
}
Var sample_mean_cross_entropy(const Var& logits, const Tensor& target, const std::vector<int64_t>& counts) {
  rows_of("sample_mean_cross_entropy", logits, target);
  return sample_mean_cross_entropy(logits, sample_targets(target, counts, logits.dtype(), logits.value.device()));
}

}  // namespace kg
