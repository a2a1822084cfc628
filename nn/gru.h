// GRU of one layer over padded sequences: x (B, T, I) with `lengths` i32 (B) valid steps each, one or two directions d.
// Parameters as torch.nn.GRU: weight_ih_l0 (3H, I), weight_hh_l0 (3H, H), bias_ih_l0, bias_hh_l0 (3H), and the same
// with _reverse; gates in the order reset, update, new.
#pragma once

#include <deque>

#include "autograd/functions.h"
#include "nn/init.h"
#include "nn/module.h"

namespace kg {

class GRU : public Module {
 public:
  GRU(int64_t input, int64_t hidden, bool bidirectional = false) {
    add("", input, hidden);
    if (bidirectional) add("_reverse", input, hidden);
  }

  struct Output {
    Var h;     // (B, T, dH), 0 beyond a sample's length
    Var last;  // (B, dH): forward after the last valid step, backward after the first
  };
  // h0 (d, B, H)
  Output operator()(const Var& x, const Var& h0, const Tensor& lengths) const {
    std::vector<Var> h, last;
    for (size_t d = 0; d < directions_.size(); ++d) {
      const Direction& p = directions_[d];
      const Var gates = linear(x, p.weight_ih, p.bias_ih);
      const GruStates s = gru(gates, p.weight_hh, p.bias_hh, select(h0, 0, int64_t(d)), lengths, d == 1);
      h.push_back(s.h), last.push_back(s.last);
    }
    return {h.size() == 1 ? h[0] : concat(h, 2), last.size() == 1 ? last[0] : concat(last, 1)};
  }

 private:
  struct Direction {
    Var weight_ih, weight_hh, bias_ih, bias_hh;
  };
  void add(const std::string& suffix, int64_t input, int64_t hidden) {
    Direction& p = directions_.emplace_back();
    const auto make = [&](Var& parameter, const char* name, const Shape& shape) {
      parameter = Var(Tensor::empty(shape));
      init::kaiming_uniform(parameter.value, hidden);
      reg(name + suffix, parameter);
    };
    make(p.weight_ih, "weight_ih_l0", {3 * hidden, input});
    make(p.weight_hh, "weight_hh_l0", {3 * hidden, hidden});
    make(p.bias_ih, "bias_ih_l0", {3 * hidden});
    make(p.bias_hh, "bias_hh_l0", {3 * hidden});
  }

  std::deque<Direction> directions_;  // never moves its elements
};

}  // namespace kg
