// The CUDA runtime of the emulation: device memory is host memory that begins as NaN, work is done when it is asked
// for. A captured graph is the list of what was launched; replaying runs it again.
#include "tensor/cuda/runtime.h"

#include <chrono>
#include <cstdlib>
#include <cstring>

#include "tensor/cuda/device_choice.h"
#include "tensor/cuda/kernel.h"
#include "tests/cuda_emulation/graph.h"
#include "tests/cuda_emulation/refusals.h"

namespace kg::cuda {
namespace {
uint64_t offset = 0;
emulation::Recording* recording = nullptr;
DeviceChoice& choice() {
  static DeviceChoice made;
  return made;
}
}  // namespace

void choose_device(int number) { choice().choose(number); }

std::string problem() {
  choice().of(1);
  return "";
}
DeviceInfo device_info() { return {"emulated CUDA device", int64_t(64) << 30, 4}; }
std::string versions() { return "no driver, no libraries"; }

void* allocate(int64_t bytes) {
  choice().of(1);
  void* data = std::aligned_alloc(256, size_t((bytes + 255) / 256 * 256));
  if (data) std::memset(data, 0xff, size_t(bytes));
  return data;
}
void release(void* data) { std::free(data); }

void copy_to_device(void* to, const void* from, int64_t bytes) {
  CHECK(!recording, "[cuda] a copy from the host cannot be part of a captured graph");
  std::memcpy(to, from, size_t(bytes));
}
void copy_to_host(void* to, const void* from, int64_t bytes) {
  CHECK(!recording, "[cuda] a copy to the host cannot be part of a captured graph: it would wait for the device");
  std::memcpy(to, from, size_t(bytes));
}
void copy_on_device(void* to, const void* from, int64_t bytes) {
  emulation::submit([=] { std::memmove(to, from, size_t(bytes)); });
}
void fill_bytes(void* to, int value, int64_t bytes) {
  emulation::submit([=] { std::memset(to, value, size_t(bytes)); });
}
void synchronize() { CHECK(!recording, "[cuda] a captured graph cannot wait for the device"); }

using Moment = std::chrono::steady_clock::time_point;
void* event_record() {
  CHECK(!recording, "[emulation] an event in a captured graph");
  return new Moment(std::chrono::steady_clock::now());
}
double event_seconds(void* begin, void* end) {
  return std::chrono::duration<double>(*static_cast<Moment*>(end) - *static_cast<Moment*>(begin)).count();
}
void event_release(void* event) { delete static_cast<Moment*>(event); }

Ptr<const uint64_t> stream_offset() { return {&offset, &offset, &offset + 1}; }
void set_stream_offset(uint64_t value) { offset = value; }

void capture_begin() {
  CHECK(!recording, "[cuda] a capture is under way");
  recording = new emulation::Recording;
}
void* capture_end() { return std::exchange(recording, nullptr); }
void graph_launch(void* graph) {
  for (const auto& work : static_cast<emulation::Recording*>(graph)->work) work();
}
void graph_release(void* graph) { delete static_cast<emulation::Recording*>(graph); }

}  // namespace kg::cuda

namespace kg::emulation {
Refusals& refusals() {
  static Refusals r;
  return r;
}
namespace {
int64_t count = 0;
}
int64_t submitted() { return count; }
void submit(std::function<void()> work) {
  ++count;
  if (!cuda::recording) return work();
  const int64_t most = refusals().launches_captured;
  CHECK(most < 0 || int64_t(cuda::recording->work.size()) < most, "[emulation] the capture fails after ", most,
        " launches");
  cuda::recording->work.push_back(std::move(work));
}
}  // namespace kg::emulation
