// Initialisation: fills a parameter in place. Every call draws from the next stream of default_generator(), by the
// element's row-major position, so that the values do not depend on the memory layout.
#pragma once

#include "tensor/tensor.h"

namespace kg::init {

void uniform(const Tensor& t, double bound);  // U(-bound, bound)
void normal(const Tensor& t, double mean, double stddev);
// U(+-1 / sqrt(fan_in)): Kaiming's with a = sqrt(5), the default of linear layers and convolutions. He et al. 2015.
void kaiming_uniform(const Tensor& t, int64_t fan_in);
// U(+-gain sqrt(6 / (fan_in + fan_out))). Glorot and Bengio 2010.
void xavier_uniform(const Tensor& t, int64_t fan_in, int64_t fan_out, double gain = 1);
void xavier_normal(const Tensor& t, int64_t fan_in, int64_t fan_out);  // N(0, 2 / (fan_in + fan_out))
void zeros(const Tensor& t);
void ones(const Tensor& t);

// While one lives, this thread draws no random values: the parameters of models whose weights are loaded next are left
// unset. The streams of default_generator() are used up all the same.
class SkipRandom {
 public:
  SkipRandom();
  ~SkipRandom();
  SkipRandom(const SkipRandom&) = delete;
  SkipRandom& operator=(const SkipRandom&) = delete;

 private:
  bool before_;
};

}  // namespace kg::init
