// Positions: tables (length, width) whose rows offset .. offset + T are added to x (B, T, width). The offset is what a
// key/value cache has already seen.
#pragma once

#include "autograd/functions.h"
#include "nn/module.h"

namespace kg {

// Interleaved: P[p, 2i] = sin(p w_i), P[p, 2i+1] = cos(p w_i), w_i = 10000^(-2i / width). Vaswani et al. 2017.
Tensor sinusoidal_positions(int64_t length, int64_t width);

// The sinusoidal table; not part of the state dict.
class FixedPositions : public Module {
 public:
  FixedPositions(int64_t length, int64_t width) : table(sinusoidal_positions(length, width)) {
    reg_buffer("table", table, false);
  }
  Var operator()(const Var& x, int64_t offset = 0) const;

  Tensor table;
};

// A learned table, "weight", drawn from N(0, stddev).
class LearnedPositions : public Module {
 public:
  LearnedPositions(int64_t length, int64_t width, double stddev = 0.02);
  Var operator()(const Var& x, int64_t offset = 0) const;

  Var weight;
};

}  // namespace kg
