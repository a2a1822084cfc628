#include "models/tokenizer/quantizer.h"

#include <cmath>

#include "nn/distributed.h"
#include "nn/losses.h"

namespace kg {

Quantizer::Quantizer(int64_t codes, int64_t width, CodebookUpdate update, double decay, double reset_below)
    : codebook(Tensor::zeros({codes, width})),
      code_sum(Tensor::zeros({codes, width})),
      code_count(Tensor::zeros({codes})),
      initialized(Tensor::zeros({1}, Dtype::u8)),
      update_(update),
      decay_(decay),
      reset_below_(reset_below) {
  if (update == CodebookUpdate::learned || update == CodebookUpdate::reset)
    reg("codebook", codebook);
  else
    reg_buffer("codebook", codebook.value);
  reg_buffer("code_sum", code_sum);
  reg_buffer("code_count", code_count);
  reg_buffer("initialized", initialized);
}

Tensor Quantizer::ids(const Tensor& x) const {
  const Shape& s = x.shape();
  Shape shape = s;
  shape.erase(s.rank() - 1);
  const Tensor rows = x.to(codebook.dtype()).contiguous().reshape({-1, s.back()});
  return nearest_code(rows, codebook.value).reshape(shape);
}
Tensor Quantizer::codes(const Tensor& ids) const { return embedding(codebook.value, ids); }

Tensor Quantizer::tile(const Tensor& own) const {
  const int64_t k = codebook.size(0), d = codebook.size(1);
  const Tensor x = first_rows_over_ranks(own, k);
  const int64_t n = x.size(0);
  if (n == k) return x;
  // Random signs: like noise of a normal distribution they tell copies of a vector apart, and they are the same bits on
  // every device, drawn where they are needed.
  const double size = 0.01 / std::sqrt(double(d));
  const Tensor ones = Tensor::ones({k, d}, x.dtype(), x.device());
  const Tensor out = affine(dropout(ones, 0.5, default_generator().next()), size, -size);
  for (int64_t at = 0; at < k; at += n) {
    const int64_t rows = std::min(n, k - at);
    add_(out.slice(0, at, at + rows), x.slice(0, 0, rows));
  }
  world().broadcast(out);  // each rank draws noise of its own
  return out;
}

// Writes to the codebook between forward and backward are unversioned: no backward reads its values (that of embedding
// needs the ids alone), and a learned one lies in the optimizer's buffer, which has one version for all parameters.
void Quantizer::start(const Tensor& x) {
  codebook.value.unversioned().copy_from(tile(x));
  code_sum.copy_from(codebook.value);
  code_count.fill(1);
  initialized.fill(1);
}

void Quantizer::update(const Tensor& x, const CodeStatistics& batch) {
  world().all_reduce_sum(batch.sums);
  lerp_(code_sum, batch.sums, 1 - decay_);
  lerp_(code_count, batch.counts, 1 - decay_);
  const bool average = update_ == CodebookUpdate::ema || update_ == CodebookUpdate::ema_reset;
  const bool reset = update_ == CodebookUpdate::reset || update_ == CodebookUpdate::ema_reset;
  update_codebook(codebook.value.unversioned(), code_sum, code_count, batch.counts, reset ? tile(x) : Tensor(), average,
                  reset, reset_below_);
}

Quantizer::Output Quantizer::operator()(const Var& in) {
  const Var x = in_dtype(in, codebook.dtype());  // distances and averages in f32 where the rest is bf16
  const int64_t k = codebook.size(0), d = codebook.size(1);
  const Tensor flat = x.value.contiguous().reshape({-1, d});
  if (training() && checked_ != initialized.version()) {
    if (initialized.item() == 0) start(flat);
    checked_ = initialized.version();
  }

  Output out;
  Quantized q = quantize_straight_through(x, codebook.value);
  out.y = in_dtype(q.y, in.dtype());
  out.ids = q.ids;
  // The codes as they are now: the update below changes the codebook for the next batch only.
  out.loss = mse_loss(x, Var(q.y.value));
  if (codebook.requires_grad())
    out.loss = out.loss + mse_loss(reshape(embedding(codebook, q.ids), x.shape()), detach(x));

  const CodeStatistics batch = code_statistics(q.ids, flat, k);
  if (training()) world().all_reduce_sum(batch.counts);
  out.use = code_use(batch.counts);
  if (training() && update_ != CodebookUpdate::learned) {
    NoGrad guard;
    update(flat, batch);
  }
  return out;
}

}  // namespace kg
