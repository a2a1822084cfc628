#include "models/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kg {

void check_sampling(const SampleOptions& o) {
  CHECK(o.greedy || o.temperature > 0, "[sample] temperature must be positive, is ", o.temperature);
  CHECK(o.top_p > 0 && o.top_p <= 1, "[sample] top_p must be in (0, 1], is ", o.top_p);
}

int32_t draw_token(const Tensor& logits, const SampleOptions& o, double u) {
  const std::vector<double> x = logits.to_vector();
  const int64_t n = int64_t(x.size());
  if (o.greedy) return int32_t(std::max_element(x.begin(), x.end()) - x.begin());
  std::vector<int32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0);
  const int64_t kept = o.top_k > 0 ? std::min(o.top_k, n) : n;
  // the most probable first, equals by their number
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](int32_t a, int32_t b) {
    return x[size_t(a)] != x[size_t(b)] ? x[size_t(a)] > x[size_t(b)] : a < b;
  });
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

int64_t most_tokens(const Decoder& decoder, const SampleOptions& o) {
  return o.max_tokens > 0 ? std::min(o.max_tokens, decoder.most()) : decoder.most();
}

Sequences write(Decoder& decoder, DecodeState start, const std::vector<uint64_t>& streams, const SampleOptions& o,
                const TokenRule& rule) {
  check_sampling(o);
  decoder.start(std::move(start));
  const size_t rows = size_t(decoder.rows());
  CHECK(streams.size() == rows, "[sample] ", streams.size(), " streams for a batch of ", rows);
  const int32_t end = decoder.model().end_id();
  Sequences written(rows);
  std::vector<int32_t> last(rows, decoder.model().first_id());
  size_t open = rows;
  for (int64_t position = 0; position < most_tokens(decoder, o) && open > 0; ++position) {
    const Tensor logits = decoder.step(last);
    for (size_t b = 0; b < rows; ++b) {
      if (position > 0 && last[b] == end) continue;
      Tensor row = logits.select(0, int64_t(b));
      if (position < o.min_tokens) row.data<float>()[end] = -std::numeric_limits<float>::infinity();
      if (rule) rule(b, written[b], row);
      const Philox random{o.seed, streams[b]};
      last[b] = draw_token(row, o, double(random.uniform(uint64_t(position))));
      if (last[b] == end)
        --open;
      else
        written[b].push_back(last[b]);
    }
  }
  return written;
}

}  // namespace kg
