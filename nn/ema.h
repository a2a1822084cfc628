// Exponential moving average of a module's parameters, over their flat buffer:
// average += (1 - decay) (value - average).
#pragma once

#include "nn/flat.h"

namespace kg {

class Ema {
 public:
  // Starts at the current values. The parameters are an optimizer's, AdamW::parameters(), and must outlive this.
  Ema(const FlatParameters& parameters, double decay);
  void update();  // after each step
  void restart() { average_.copy_from(parameters_.values()); }

  // Puts the average in the place of the values while it lives, for evaluation or saving; then the values come back.
  class Swap {
   public:
    explicit Swap(const Ema& ema) : ema_(ema) { ema_.exchange(); }
    ~Swap() { ema_.exchange(); }
    Swap(const Swap&) = delete;

   private:
    const Ema& ema_;
  };

  // "ema.NAME" in the parameter's shape; shares memory.
  NamedTensors state() const { return parameters_.cut(average_, "ema."); }
  void load_state(const NamedTensors& entries, const std::string& source) { load_strict(state(), entries, source); }

 private:
  void exchange() const;

  const FlatParameters& parameters_;
  double decay_;
  Tensor average_;
  mutable Tensor spare_;
};

}  // namespace kg
