#include "tensor/cuda/vendor/tuning.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/runtime.h"

namespace kg::cuda {
namespace {

const char* file() {
  static const char* name = [] {
    const char* given = std::getenv("KG_TUNE");
    return given && *given ? given : nullptr;
  }();
  return name;
}

// Lines of the file: the place of the choice, a blank, the key. Of two lines for a key, which two processes may have
// written at once, the first counts.
using Choices = std::map<std::string, size_t>;
Choices read_choices() {
  Choices choices;
  std::ifstream in(file());
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    std::istringstream text(line);
    size_t choice = 0;
    std::string key;
    CHECK_INPUT(text >> choice && text.get() == ' ' && std::getline(text, key) && !key.empty(), file(), ", line ",
                number, ": expected a number and what it was chosen for, as KG_TUNE writes them; give another file");
    choices.emplace(key, choice);
  }
  return choices;
}
// In one write, so that lines of several processes do not mix.
void append(const std::string& line) {
  const int to = ::open(file(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const bool written = to >= 0 && ::write(to, line.data(), line.size()) == ssize_t(line.size());
  if (to >= 0) ::close(to);
  CHECK_INPUT(written, file(), ": cannot be written, which KG_TUNE=", file(), " asks for");
}

struct Event {
  cudaEvent_t event = nullptr;
  Event() { check(cudaEventCreate(&event), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
};
// The least time of three runs after one to warm up; infinity for what is refused.
float milliseconds(const std::function<bool()>& run) {
  const float never = std::numeric_limits<float>::infinity();
  if (!run()) return never;
  const Event begin, end;
  float least = never;
  for (int i = 0; i < 3; ++i) {
    check(cudaEventRecord(begin.event, stream()), "cudaEventRecord");
    if (!run()) return never;
    check(cudaEventRecord(end.event, stream()), "cudaEventRecord");
    check(cudaEventSynchronize(end.event), "cudaEventSynchronize");
    float took = 0;
    check(cudaEventElapsedTime(&took, begin.event, end.event), "cudaEventElapsedTime");
    least = took < least ? took : least;
  }
  return least;
}
size_t fastest(size_t count, const std::function<bool(size_t)>& run) {
  size_t best = 0;
  float least = std::numeric_limits<float>::infinity();
  for (size_t i = 0; i < count; ++i)
    if (const float took = milliseconds([&] { return run(i); }); took < least) least = took, best = i;
  return best;
}

}  // namespace

bool tuning() { return file() != nullptr; }

size_t tuned(const std::string& key, size_t count, const std::function<bool(size_t)>& run) {
  if (count == 0) return 0;
  static auto* choices = new Choices(read_choices());
  static const std::string device = device_info().name;
  const std::string full = device + ", " + key + ", of " + std::to_string(count);
  if (const auto known = choices->find(full); known != choices->end()) {
    CHECK_INPUT(known->second < count, file(), ": choice ", known->second, " for \"", full, "\"; delete that line");
    return known->second;
  }
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream(), &capturing), "cudaStreamIsCapturing");
  const size_t choice = capturing == cudaStreamCaptureStatusNone ? fastest(count, run) : 0;
  append(std::to_string(choice) + " " + full + "\n");
  *choices = read_choices();  // another process may have been first
  return choices->at(full);
}

}  // namespace kg::cuda
