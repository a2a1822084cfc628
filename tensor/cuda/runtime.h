// The CUDA runtime as the backend needs it, one function a need: tensor/cuda/runtime.cu has them over the CUDA runtime,
// tests/cuda_emulation/runtime.cpp over host memory. One stream, on which everything runs in order.
#pragma once

#include <cstdint>
#include <string>

namespace kg::cuda {

// Of several GPUs the one with this number, counted round; before anything else here is called. Without it, the first.
void choose_device(int number);
// Why no device can be used; empty when one can.
std::string problem();
struct DeviceInfo {
  std::string name;
  int64_t memory = 0;  // bytes
  int processors = 0;  // streaming multiprocessors
};
DeviceInfo device_info();
std::string versions();  // of the device, the driver and the libraries, in words

void* allocate(int64_t bytes);  // null when there is not enough
void release(void* data);

void copy_to_device(void* to, const void* from, int64_t bytes);  // `from` may be changed once it returns
void copy_to_host(void* to, const void* from, int64_t bytes);    // waits for all work before it
void copy_on_device(void* to, const void* from, int64_t bytes);
void fill_bytes(void* to, int value, int64_t bytes);
void synchronize();  // waits for all work and reports what failed in it

// A point in the work, and the device's seconds between two of them, which are waited for.
void* event_record();
double event_seconds(void* begin, void* end);
void event_release(void* event);

// Sets what stream_offset() of tensor/cuda/kernel.h points at.
void set_stream_offset(uint64_t offset);

// A step as one object: what is launched between begin and end is recorded instead of run.
void capture_begin();
void* capture_end();  // the graph, ready to launch
void graph_launch(void* graph);
void graph_release(void* graph);

}  // namespace kg::cuda
