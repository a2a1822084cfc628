// Work on the emulated stream: done at once, or recorded while a graph is captured.
#pragma once

#include <functional>
#include <vector>

namespace kg::emulation {

struct Recording {
  std::vector<std::function<void()>> work;
};
void submit(std::function<void()> work);

}  // namespace kg::emulation
