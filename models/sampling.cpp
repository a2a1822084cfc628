#include "models/sampling.h"

#include <algorithm>
#include <cmath>
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

}  // namespace kg
