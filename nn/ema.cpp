#include "nn/ema.h"

namespace kg {

Ema::Ema(const FlatParameters& parameters, double decay)
    : parameters_(parameters),
      decay_(decay),
      average_(parameters.values().clone()),
      spare_(empty_like(parameters.values())) {
  CHECK(decay >= 0 && decay < 1, "[ema] decay must be in [0, 1), is ", decay);
}
void Ema::update() {
  parameters_.check_bound();
  lerp_(average_, parameters_.values(), 1 - decay_);
}
void Ema::exchange() const {
  spare_.copy_from(parameters_.values());
  parameters_.values().copy_from(average_);
  average_.copy_from(spare_);
}

}  // namespace kg
