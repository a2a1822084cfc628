#include "tensor/device.h"

#include <exception>

#include "tensor/parallel.h"
#include "tensor/random.h"

#ifdef KG_CUDA
#include "tensor/cuda/blas.h"
#include "tensor/cuda/runtime.h"
#endif

namespace kg {

const char* name_of(Device device) { return device == Device::cpu ? "cpu" : "cuda"; }

Device device_from(const std::string& name) {
  if (name == "cpu") return Device::cpu;
  if (name != "cuda" && name != "auto")
    fail(ErrorCode::usage, "device \"", name, "\" is unknown; use cpu, cuda or auto");
  const std::string problem = cuda_problem();
  if (problem.empty()) return Device::cuda;
  if (name == "cuda") fail(ErrorCode::runtime, "--device cuda cannot be used: ", problem);
  return Device::cpu;
}

#ifdef KG_CUDA

std::string cuda_problem() { return cuda::problem(); }
void synchronize(Device device) {
  if (device == Device::cuda) cuda::synchronize();
}
void set_tf32(bool on) { cuda::set_tf32(on); }
std::string describe(Device device) {
  if (device == Device::cpu) return "CPU, " + std::to_string(threads()) + (threads() == 1 ? " thread" : " threads");
  const cuda::DeviceInfo info = cuda::device_info();
  return info.name + ", " + std::to_string(info.memory >> 30) + " GiB";
}

void Graph::capture(const std::function<void()>& step) {
  record(step);
  replay();
}

void Graph::record(const std::function<void()>& step) {
  reset();
  pool_ = make_memory_pool(Device::cuda);
  Generator& generator = default_generator();
  first_stream_ = generator.position;
  try {
    const MemoryPoolScope scope(pool_);
    cuda::capture_begin();
    try {
      step();
    } catch (...) {
      try {
        cuda::graph_release(cuda::capture_end());
      } catch (const std::exception&) {  // what broke the capture is the error to report
      }
      throw;
    }
    graph_ = cuda::capture_end();
  } catch (...) {
    generator.position = first_stream_;
    reset();
    throw;
  }
  streams_ = generator.position - first_stream_;
  generator.position = first_stream_;
}

void Graph::replay() {
  CHECK(graph_, "[graph] nothing was captured");
  Generator& generator = default_generator();
  cuda::set_stream_offset(generator.position - first_stream_);
  cuda::graph_launch(graph_);
  cuda::set_stream_offset(0);
  generator.position += streams_;
}

void Graph::reset() {
  if (graph_) cuda::graph_release(graph_);
  graph_ = nullptr;
  pool_.reset();
}

#else

std::string cuda_problem() { return "this build has no CUDA backend (build it where nvcc is)"; }
void synchronize(Device) {}
void set_tf32(bool) {}
std::string describe(Device) { return "CPU, " + std::to_string(threads()) + (threads() == 1 ? " thread" : " threads"); }
void Graph::capture(const std::function<void()>&) { fail(ErrorCode::runtime, "[graph] ", cuda_problem()); }
void Graph::record(const std::function<void()>&) { fail(ErrorCode::runtime, "[graph] ", cuda_problem()); }
void Graph::replay() { fail(ErrorCode::runtime, "[graph] ", cuda_problem()); }
void Graph::reset() {}

#endif

Graph::~Graph() { reset(); }

}  // namespace kg
