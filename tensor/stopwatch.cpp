#include "tensor/stopwatch.h"

#include <chrono>

#ifdef KG_CUDA
#include <memory>

#include "tensor/cuda/runtime.h"
#endif

namespace kg {

double clock_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Stopwatch::Stopwatch(Device device) : device_(device), begin_(clock_seconds()) {
#ifdef KG_CUDA
  if (device == Device::cuda) event_ = cuda::event_record();
#endif
}

Stopwatch::~Stopwatch() {
#ifdef KG_CUDA
  if (event_) cuda::event_release(event_);
#endif
}

double Stopwatch::seconds() const {
#ifdef KG_CUDA
  if (device_ == Device::cuda) {
    const std::unique_ptr<void, void (*)(void*)> end(cuda::event_record(), cuda::event_release);
    return cuda::event_seconds(event_, end.get());
  }
#endif
  return clock_seconds() - begin_;
}

}  // namespace kg
