// Ctrl-C (SIGINT) and SIGTERM ask a training loop to save and end with exit code 6; a second one ends it at once.
#pragma once

namespace kg::tools {

// While it lives the two signals set a flag. One at a time, in the main program.
class InterruptGuard {
 public:
  explicit InterruptGuard(bool quiet = false);  // quiet: the first signal is not answered by a line
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

bool interrupted();

}  // namespace kg::tools
