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

std::vector<std::vector<int32_t>> sample(const Gpt& gpt, const Tensor& condition, const std::vector<uint64_t>& streams,
                                         const SampleOptions& o) {
  const int64_t batch = condition.size(0), context = gpt.config().context;
  CHECK(int64_t(streams.size()) == batch, "[sample] ", streams.size(), " streams for a batch of ", batch);
  CHECK(o.greedy || o.temperature > 0, "[sample] temperature must be positive, is ", o.temperature);
  CHECK(o.top_p > 0 && o.top_p <= 1, "[sample] top_p must be in (0, 1], is ", o.top_p);
  const int64_t limit = o.max_tokens > 0 ? std::min(o.max_tokens, context - 1) : context - 1;
  std::vector<std::vector<int32_t>> tokens(static_cast<size_t>(batch));
  std::vector<bool> done(size_t(batch), false);
  std::vector<KeyValueCache> caches = gpt.make_caches(batch);
  const Tensor last = Tensor::zeros({batch}, Dtype::i32);
  for (int64_t position = 0; position < limit; ++position) {
    const Tensor logits = gpt.step(condition, last, position, caches);
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
      last.data<int32_t>()[b] = id;
      open = true;
    }
    if (!open) break;
  }
  return tokens;
}

}  // namespace kg
