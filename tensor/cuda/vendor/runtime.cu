// The backend's runtime over the CUDA runtime, which is linked statically and finds the driver by itself.
#include "tensor/cuda/device_choice.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/runtime.h"
#include "tensor/cuda/staging.h"
#include "tensor/cuda/vendor/library.h"

#include <mutex>

namespace kg::cuda {
namespace {

DeviceChoice& choice() {
  static DeviceChoice made;
  return made;
}
int device() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) count = 0;
  return choice().of(count);
}
// CUDA keeps a current device for each host thread, which is 0 in the beginning.
void enter_device() {
  thread_local const bool entered = [] {
    check(cudaSetDevice(device()), "cudaSetDevice");
    return true;
  }();
  static_cast<void>(entered);
}

struct StagingCalls {
  using Event = cudaEvent_t;
  static void* allocate(int64_t bytes) {
    void* data = nullptr;
    const cudaError_t result = cudaMallocHost(&data, size_t(bytes));
    if (result == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // it is not sticky
      return nullptr;
    }
    check(result, "cudaMallocHost");
    return data;
  }
  static void release(void* data) { check(cudaFreeHost(data), "cudaFreeHost"); }
  static void wait(Event& event) {
    if (event)
      check(cudaEventSynchronize(event), "cudaEventSynchronize");
    else
      check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  }
  static void start_copy(void* to, const void* pinned, int64_t bytes) {
    check(cudaMemcpyAsync(to, pinned, size_t(bytes), cudaMemcpyHostToDevice, stream()), "cudaMemcpyAsync");
  }
  static void record(Event& event) { check(cudaEventRecord(event, stream()), "cudaEventRecord"); }
};
StagingRing<StagingCalls>& staging() {
  static auto* ring = new StagingRing<StagingCalls>;  // never destroyed: the driver may be gone first
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
  enter_device();
  static cudaStream_t s = [] {
    cudaStream_t created = nullptr;
    check(cudaStreamCreateWithFlags(&created, cudaStreamNonBlocking), "cudaStreamCreate");
    return created;
  }();
  return s;
}

void choose_device(int number) { choice().choose(number); }

std::string problem() {
  static const std::string found = []() -> std::string {
    int count = 0;
    const cudaError_t result = cudaGetDeviceCount(&count);
    if (result != cudaSuccess) return std::string("no usable CUDA device: ") + cudaGetErrorString(result);
    if (count == 0) return "no CUDA device";
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, device()), "cudaGetDeviceProperties");
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
  check(cudaGetDeviceProperties(&properties, device()), "cudaGetDeviceProperties");
  return {properties.name, int64_t(properties.totalGlobalMem), properties.multiProcessorCount};
}

std::string versions() {
  const auto number = [](int version) {  // 13010 is 13.1
    return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  };
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device()), "cudaGetDeviceProperties");
  const Library blas("libcublasLt.so.13"), dnn("libcudnn.so.9");
  return "compute capability " + std::to_string(properties.major) + "." + std::to_string(properties.minor) +
         ", CUDA driver " + number(driver) + ", runtime " + number(runtime) + ", cuBLASLt " +
         std::to_string(blas.function<size_t()>("cublasLtGetVersion")()) + ", cuDNN " +
         std::to_string(dnn.function<size_t()>("cudnnGetVersion")());
}

void* allocate(int64_t bytes) {
  enter_device();
  void* data = nullptr;
  const cudaError_t result = cudaMalloc(&data, size_t(bytes));
  if (result == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // it is not sticky
    return nullptr;
  }
  check(result, "cudaMalloc");
  return data;
}
void release(void* data) { cudaFree(data); }  // waits for the work that uses it; destructors call it: no error

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

void* event_record() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "cudaEventCreate");
  check(cudaEventRecord(event, stream()), "cudaEventRecord");
  return event;
}
double event_seconds(void* begin, void* end) {
  float milliseconds = 0;
  check(cudaEventSynchronize(static_cast<cudaEvent_t>(end)), "cudaEventSynchronize");
  check(cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin), static_cast<cudaEvent_t>(end)),
        "cudaEventElapsedTime");
  return double(milliseconds) * 1e-3;
}
void event_release(void* event) { cudaEventDestroy(static_cast<cudaEvent_t>(event)); }

Ptr<const uint64_t> stream_offset() { return offset_on_device(); }
void set_stream_offset(uint64_t offset) {
  launch("set_stream_offset", set_offset, {1}, kWarp, offset_on_device(), offset);
}

// Relaxed: memory may come and go, and code be loaded, while a graph is captured; all that is there when it runs.
void capture_begin() {
  offset_on_device();
  check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed), "cudaStreamBeginCapture");
}
void* capture_end() {
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream(), &graph);
  if (ended != cudaSuccess) cudaGetLastError();  // the step may go on without a graph
  check(ended, "cudaStreamEndCapture");
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
