// Work on the emulated stream: done at once, or recorded while a graph is captured.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace kg::emulation {

struct Recording {
  std::vector<std::function<void()>> work;
};
void submit(std::function<void()> work);
// How much work was submitted so far: kernels, copies and fills, each once, however often its graph is replayed.
int64_t submitted();

}  // namespace kg::emulation
