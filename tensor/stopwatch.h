// The time that a device takes for its work, without what the host does meanwhile.
#pragma once

#include "tensor/dtype.h"

namespace kg {

double clock_seconds();  // of the host's steady clock

// Seconds of work since it was made: on CUDA between events in the stream, on the CPU by the clock.
class Stopwatch {
 public:
  explicit Stopwatch(Device device);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;
  double seconds() const;  // waits for the work so far

 private:
  Device device_;
  void* event_ = nullptr;
  double begin_ = 0;
};

}  // namespace kg
