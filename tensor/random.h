// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a random number is a function
// of (seed, stream, counter), the same bits on every device, in any order, on any number of threads.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "tensor/tensor.h"

namespace kg {

struct Philox {
  uint64_t seed = 0;
  uint64_t stream = 0;

  struct Block {
    uint32_t v[4];
  };

  // Four words for one counter.
  KG_HD Block block(uint64_t counter) const {
    uint32_t c0 = uint32_t(counter), c1 = uint32_t(counter >> 32), c2 = uint32_t(stream), c3 = uint32_t(stream >> 32);
    uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      const uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
      c0 = uint32_t(p1 >> 32) ^ c1 ^ k0, c1 = uint32_t(p1);
      c2 = uint32_t(p0 >> 32) ^ c3 ^ k1, c3 = uint32_t(p0);
      k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
  }
  // Word i of the stream.
  KG_HD uint32_t word(uint64_t i) const { return block(i / 4).v[i % 4]; }
  // Uniform in [0, 1), 24 bits.
  KG_HD float uniform(uint64_t i) const { return float(word(i) >> 8) * 0x1p-24f; }
  // Uniform integer in [0, n), n > 0, by multiplication (bias below n / 2^32).
  KG_HD uint32_t below(uint64_t i, uint32_t n) const { return uint32_t(uint64_t(word(i)) * n >> 32); }
  // Standard normal by Box-Muller, in double so that every host rounds alike.
  double normal(uint64_t i) const {
    const Block b = block(i);
    const double u = (double(b.v[0]) + 1) * 0x1p-32, v = double(b.v[1]) * 0x1p-32;
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
};

// Fills a contiguous float tensor.
void fill_uniform(const Tensor& t, double low, double high, Philox random);
void fill_normal(const Tensor& t, double mean, double stddev, Philox random);

// The generator of a run: a seed and a position. Each random op takes the next stream;
// a checkpoint stores both numbers.
struct Generator {
  uint64_t seed = 0;
  uint64_t position = 0;
  Philox next() { return {seed, position++}; }
};

// The generator that dropout and initialisation draw from (one per thread, so that nothing is shared by surprise).
Generator& default_generator();

// Mixes words into one stream number (splitmix64 finaliser), for streams named by several integers.
constexpr uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t z = a * 0x9E3779B97F4A7C15u + b + 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace kg
