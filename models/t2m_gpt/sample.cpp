#include "models/t2m_gpt/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kg {

int32_t draw_token(const Tensor& logits, const SampleOptions& o, double u) {
  const std::vector<double> x = logits.to_vector();
  const int64_t n = int64_t(x.size());
  std::vector<int32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  if (o.greedy) return int32_t(std::max_element(x.begin(), x.end()) - x.begin());
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return x[size_t(a)] > x[size_t(b)]; });
  const int64_t kept = o.top_k > 0 ? std::min(o.top_k, n) : n;
  std::vector<double> p;
  double total = 0;
  for (int64_t i = 0; i < kept; ++i) {
    p.push_back(std::exp((x[size_t(order[size_t(i)])] - x[size_t(order[0])]) / o.temperature));
    total += p.back();
  }
  double mass = 0;  // of the nucleus
  size_t size = 0;
  while (size < p.size() && (size == 0 || mass < o.top_p * total)) mass += p[size++];
  double at = u * mass;
  for (size_t i = 0; i < size; ++i)
    if ((at -= p[i]) < 0) return order[i];
  return order[size - 1];
}

Decoder::Decoder(const Gpt& gpt, int64_t batch) : gpt_(gpt), batch_(batch), caches_(gpt.make_caches(batch)) {
  for (int64_t i = 0; i < gpt.config().context; ++i) positions_.emplace_back();
}

Tensor Decoder::step(const Tensor& condition, const std::vector<int32_t>& ids, int64_t position) {
  const Device device = condition.device();
  if (device == Device::cpu) return gpt_.step(condition, Tensor::from(ids, {batch_}), position, caches_).to(Dtype::f32);
  if (position == 0) {
    if (!condition_.defined()) condition_ = empty_like(condition), ids_ = Tensor::empty({batch_}, Dtype::i32, device);
    condition_.copy_from(condition);
  }
  ids_.copy_from(Tensor::from(ids, {batch_}));
  Position& p = positions_[size_t(position)];
  const auto run = [&] { p.logits = gpt_.step(condition_, ids_, position, caches_); };
  if (p.graph.captured())
    p.graph.replay();
  else if (p.warm)
    p.graph.capture(run);
  else
    run();
  p.warm = true;
  return p.logits.to(Device::cpu).to(Dtype::f32);
}

std::vector<std::vector<int32_t>> sample(const Gpt& gpt, const Tensor& condition, const std::vector<uint64_t>& streams,
                                         const SampleOptions& o) {
  Decoder decoder(gpt, condition.size(0));
  return sample(decoder, condition, streams, o);
}
std::vector<std::vector<int32_t>> sample(Decoder& decoder, const Tensor& condition,
                                         const std::vector<uint64_t>& streams, const SampleOptions& o) {
  const Gpt& gpt = decoder.gpt();
  const int64_t batch = condition.size(0), context = gpt.config().context;
  CHECK(decoder.batch() == batch, "[sample] a batch of ", batch, " for a decoder of ", decoder.batch());
  CHECK(int64_t(streams.size()) == batch, "[sample] ", streams.size(), " streams for a batch of ", batch);
  CHECK(o.greedy || o.temperature > 0, "[sample] temperature must be positive, is ", o.temperature);
  CHECK(o.top_p > 0 && o.top_p <= 1, "[sample] top_p must be in (0, 1], is ", o.top_p);
  const int64_t limit = o.max_tokens > 0 ? std::min(o.max_tokens, context - 1) : context - 1;
  std::vector<std::vector<int32_t>> tokens(static_cast<size_t>(batch));
  std::vector<bool> done(size_t(batch), false);
  std::vector<int32_t> last(static_cast<size_t>(batch), 0);
  for (int64_t position = 0; position < limit; ++position) {
    const Tensor logits = decoder.step(condition, last, position);
    bool open = false;
    for (int64_t b = 0; b < batch; ++b) {
      if (done[size_t(b)]) continue;
      const Tensor row = logits.select(0, b);
      if (position < o.min_tokens) row.select(0, gpt.end_id()).fill(-std::numeric_limits<double>::infinity());
      const Philox random{o.seed, streams[size_t(b)]};
      const int32_t id = draw_token(row, o, double(random.uniform(uint64_t(position))));
      if (id == gpt.end_id()) {
        done[size_t(b)] = true;
        continue;
      }
      tokens[size_t(b)].push_back(id);
      last[size_t(b)] = id;
      open = true;
    }
    if (!open) break;
  }
  return tokens;
}

}  // namespace kg
