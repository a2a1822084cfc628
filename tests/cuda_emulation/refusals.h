// What the emulated libraries refuse beyond what they always do, so that tests see the ways out.
#pragma once

#include <cstdint>

namespace kg::emulation {

struct Refusals {
  bool epilogues = false;          // products come without their bias or row sums
  bool convolutions = false;       // no algorithm for any pass of a convolution
  int64_t launches_captured = -1;  // so many launches are recorded, then the capture fails; -1: all are
};
Refusals& refusals();

// While it lives, these are in force.
class RefusalScope {
 public:
  explicit RefusalScope(const Refusals& r) { refusals() = r; }
  ~RefusalScope() { refusals() = {}; }
  RefusalScope(const RefusalScope&) = delete;
  RefusalScope& operator=(const RefusalScope&) = delete;
};

}  // namespace kg::emulation
