// The backend's runtime over the CUDA runtime, which is linked statically and finds the driver by itself.
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/runtime.h"
#include "tensor/cuda/vendor/library.h"

#include <cstring>
#include <mutex>
#include <vector>

namespace kg::cuda {
namespace {

// Host memory that is on its way to the device: a ring of pinned buffers, each free again when its copy is done.
class StagingRing {
 public:
  void copy(void* to, const void* from, int64_t bytes) {
    Slot& slot = slots_[next_++ % kSlots];
    if (slot.done)
      check(cudaEventSynchronize(slot.done), "cudaEventSynchronize");
    else
      check(cudaEventCreateWithFlags(&slot.done, cudaEventDisableTiming), "cudaEventCreate");
    if (slot.bytes < bytes) {
      if (slot.data) check(cudaFreeHost(slot.data), "cudaFreeHost");
      slot.bytes = bytes + bytes / 2;
      check(cudaMallocHost(&slot.data, size_t(slot.bytes)), "cudaMallocHost");
    }
    std::memcpy(slot.data, from, size_t(bytes));
    check(cudaMemcpyAsync(to, slot.data, size_t(bytes), cudaMemcpyHostToDevice, stream()), "cudaMemcpyAsync");
    check(cudaEventRecord(slot.done, stream()), "cudaEventRecord");
  }

 private:
  static constexpr size_t kSlots = 16;
  struct Slot {
    void* data = nullptr;
    int64_t bytes = 0;
    cudaEvent_t done = nullptr;
  };
  Slot slots_[kSlots];
  size_t next_ = 0;
};
StagingRing& staging() {
  static StagingRing* ring = new StagingRing;  // never destroyed: the driver may be gone first
  return *ring;
}
std::mutex staging_mutex;

uint64_t* offset_on_device() {
  static uint64_t* data = [] {
    void* memory = nullptr;
    check(cudaMalloc(&memory, sizeof(uint64_t)), "cudaMalloc");
    // On our stream: it does not wait for the default one.
    check(cudaMemsetAsync(memory, 0, sizeof(uint64_t), stream()), "cudaMemsetAsync");
    return static_cast<uint64_t*>(memory);
  }();
  return data;
}
// Memory may come and go while a graph is captured: it is there before the graph runs.
template <class Call>
cudaError_t while_capturing(Call&& call) {
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  cudaThreadExchangeStreamCaptureMode(&mode);
  const cudaError_t result = call();
  cudaThreadExchangeStreamCaptureMode(&mode);
  return result;
}
__global__ void set_offset(uint64_t* at, uint64_t value) {
  if (threadIdx.x == 0) *at = value;
}

}  // namespace

void check(cudaError_t result, const char* what) {
  if (result == cudaSuccess) return;
  const ErrorCode code = result == cudaErrorMemoryAllocation ? ErrorCode::memory : ErrorCode::runtime;
  fail(code, "[cuda] ", what, ": ", cudaGetErrorString(result));
}

cudaStream_t stream() {
  static cudaStream_t s = [] {
    cudaStream_t created = nullptr;
    check(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking), "cudaStreamCreate");
    return created;
  }();
  return s;
}

std::string problem() {
  static const std::string found = []() -> std::string {
    int count = 0;
    const cudaError_t result = cudaGetDeviceCount(&count);
    if (result != cudaSuccess) return std::string("no usable CUDA device: ") + cudaGetErrorString(result);
    if (count == 0) return "no CUDA device";
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
    if (properties.major < 8)
      return std::string(properties.name) + " has compute capability " + std::to_string(properties.major) + "." +
             std::to_string(properties.minor) + "; 8.0 or newer is needed";
    for (const char* name : {"libcublasLt.so.13", "libcudnn.so.9"})
      if (const Library library(name); !library.found()) return std::string(name) + " is not here: " + library.why();
    return "";
  }();
  return found;
}
DeviceInfo device_info() {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  return {properties.name, int64_t(properties.totalGlobalMem), properties.multiProcessorCount};
}

void* allocate(int64_t bytes) {
  void* data = nullptr;
  const cudaError_t result = while_capturing([&] { return cudaMalloc(&data, size_t(bytes)); });
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is not sticky
    return nullptr;
  }
  check(result, "cudaMalloc");
  return data;
}
void release(void* data) {  // waits for the work that uses it; destructors call it, so it cannot fail
  while_capturing([&] { return cudaFree(data); });
}
void* allocate_pinned(int64_t bytes) {
  void* data = nullptr;
  check(cudaMallocHost(&data, size_t(bytes)), "cudaMallocHost");
  return data;
}
void release_pinned(void* data) { cudaFreeHost(data); }

void copy_to_device(void* to, const void* from, int64_t bytes) {
  cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream(), &capturing), "cudaStreamIsCapturing");
  CHECK(capturing == cudaStreamCaptureStatusNone, "[cuda] a copy from the host cannot be part of a captured graph");
  const std::lock_guard lock(staging_mutex);
  staging().copy(to, from, bytes);
}
void copy_to_host(void* to, const void* from, int64_t bytes) {
  check(cudaMemcpyAsync(to, from, size_t(bytes), cudaMemcpyDeviceToHost, stream()), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
}
void copy_on_device(void* to, const void* from, int64_t bytes) {
  check(cudaMemcpyAsync(to, from, size_t(bytes), cudaMemcpyDeviceToDevice, stream()), "cudaMemcpyAsync");
}
void fill_bytes(void* to, int value, int64_t bytes) {
  check(cudaMemsetAsync(to, value, size_t(bytes), stream()), "cudaMemsetAsync");
}
void synchronize() { check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize"); }

Ptr<const uint64_t> stream_offset() { return offset_on_device(); }
void set_stream_offset(uint64_t offset) {
  launch("set_stream_offset", set_offset, {1}, kWarp, offset_on_device(), offset);
}

void capture_begin() {
  offset_on_device();
  check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
}
void* capture_end() {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream(), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t result = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check(result, "cudaGraphInstantiate");
  return executable;
}
void graph_launch(void* graph) {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream()), "cudaGraphLaunch");
}
void graph_release(void* graph) {
  if (!graph) return;
  cudaStreamSynchronize(stream());
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
}

}  // namespace kg::cuda
