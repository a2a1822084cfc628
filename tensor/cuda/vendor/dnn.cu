// 1-D convolution over cuDNN, as a 2-D one of height 1 in channels-last layout. Algorithms are chosen once a shape.
#include "tensor/cuda/dnn.h"

#include <cudnn.h>

#include <map>
#include <tuple>

#include "tensor/cuda/blas.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/runtime.h"
#include "tensor/cuda/vendor/library.h"
#include "tensor/storage.h"

namespace kg::cuda {
namespace {

const Library& dnn() {
  static const Library library("libcudnn.so.9");
  return library;
}
void check_dnn(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS)
    fail(ErrorCode::runtime, "[cudnn] ", what, ": ", KG_CALL(dnn(), cudnnGetErrorString)(status));
}
#define KG_DNN(name, ...) check_dnn(KG_CALL(dnn(), name)(__VA_ARGS__), #name)

cudnnHandle_t handle() {
  static cudnnHandle_t h = [] {
    cudnnHandle_t created = nullptr;
    KG_DNN(cudnnCreate, &created);
    KG_DNN(cudnnSetStream, created, stream());
    return created;
  }();
  return h;
}

struct Plan {
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t conv = nullptr;
  cudnnTensorDescriptor_t bias = nullptr;
  bool adds_bias = false;  // the forward algorithm is one that can
  cudnnConvolutionFwdAlgo_t forward{};
  cudnnConvolutionBwdDataAlgo_t input{};
  cudnnConvolutionBwdFilterAlgo_t weight{};
  size_t forward_bytes = 0, input_bytes = 0, weight_bytes = 0;
};

// The first of cuDNN's proposals, best first, that gives the same bytes in every run.
template <class Result>
const Result& best(const Result* results, int count, const char* what) {
  for (int i = 0; i < count; ++i)
    if (results[i].status == CUDNN_STATUS_SUCCESS && results[i].determinism == CUDNN_DETERMINISTIC) return results[i];
  fail(ErrorCode::runtime, "[cudnn] no deterministic algorithm for ", what);
}
// A combination that cuDNN does not take (codes of 2000 to 3999), not a failure.
bool refused(cudnnStatus_t status) { return status >= CUDNN_STATUS_BAD_PARAM && status < CUDNN_STATUS_INTERNAL_ERROR; }

Plan make_plan(const Conv& c) {
  Plan p;
  const cudnnDataType_t type = c.dtype == Dtype::f32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
  KG_DNN(cudnnCreateTensorDescriptor, &p.x);
  KG_DNN(cudnnCreateTensorDescriptor, &p.y);
  KG_DNN(cudnnCreateFilterDescriptor, &p.w);
  KG_DNN(cudnnCreateConvolutionDescriptor, &p.conv);
  KG_DNN(cudnnSetTensor4dDescriptor, p.x, CUDNN_TENSOR_NHWC, type, int(c.batch), int(c.in), 1, int(c.time));
  KG_DNN(cudnnSetTensor4dDescriptor, p.y, CUDNN_TENSOR_NHWC, type, int(c.batch), int(c.out), 1, int(c.out_time));
  KG_DNN(cudnnSetFilter4dDescriptor, p.w, type, CUDNN_TENSOR_NHWC, int(c.out), int(c.in), 1, int(c.taps));
  KG_DNN(cudnnSetConvolution2dDescriptor, p.conv, 0, c.padding, 1, c.stride, 1, c.dilation, CUDNN_CROSS_CORRELATION,
         CUDNN_DATA_FLOAT);
  // For f32, FMA has exact products and the default is TF32; ALLOW_CONVERSION would let f32 become f16.
  const cudnnMathType_t math = c.dtype == Dtype::bf16 ? CUDNN_TENSOR_OP_MATH
                               : tf32()               ? CUDNN_DEFAULT_MATH
                                                      : CUDNN_FMA_MATH;
  KG_DNN(cudnnSetConvolutionMathType, p.conv, math);

  constexpr int kMost = 8;
  int count = 0;
  cudnnConvolutionFwdAlgoPerf_t forward[kMost];
  KG_DNN(cudnnGetConvolutionForwardAlgorithm_v7, handle(), p.x, p.w, p.conv, p.y, kMost, &count, forward);
  p.forward = best(forward, count, "a convolution").algo;
  cudnnConvolutionBwdDataAlgoPerf_t input[kMost];
  KG_DNN(cudnnGetConvolutionBackwardDataAlgorithm_v7, handle(), p.w, p.y, p.conv, p.x, kMost, &count, input);
  p.input = best(input, count, "the gradient of a convolution's input").algo;
  // Only the algorithm that cuDNN documents for it takes a bias without an activation.
  p.adds_bias = p.forward == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
  KG_DNN(cudnnCreateTensorDescriptor, &p.bias);
  KG_DNN(cudnnSetTensor4dDescriptor, p.bias, CUDNN_TENSOR_NHWC, type, 1, int(c.out), 1, 1);
  cudnnConvolutionBwdFilterAlgoPerf_t weight[kMost];
  KG_DNN(cudnnGetConvolutionBackwardFilterAlgorithm_v7, handle(), p.x, p.y, p.conv, p.w, kMost, &count, weight);
  p.weight = best(weight, count, "the gradient of a convolution's weight").algo;
  KG_DNN(cudnnGetConvolutionForwardWorkspaceSize, handle(), p.x, p.w, p.conv, p.y, p.forward, &p.forward_bytes);
  KG_DNN(cudnnGetConvolutionBackwardDataWorkspaceSize, handle(), p.w, p.y, p.conv, p.x, p.input, &p.input_bytes);
  KG_DNN(cudnnGetConvolutionBackwardFilterWorkspaceSize, handle(), p.x, p.y, p.conv, p.w, p.weight, &p.weight_bytes);
  return p;
}

Plan& plan_of(const Conv& c) {
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int, int, int, int, bool>;
  static auto* plans = new std::map<Key, Plan>;
  const Key key{c.batch,  c.time,    c.in,       c.out,        c.taps, c.out_time,
                c.stride, c.padding, c.dilation, int(c.dtype), tf32()};
  const auto at = plans->find(key);
  return at != plans->end() ? at->second : plans->emplace(key, make_plan(c)).first->second;
}

const float kOne = 1, kZero = 0;

cudnnActivationDescriptor_t identity() {
  static cudnnActivationDescriptor_t d = [] {
    cudnnActivationDescriptor_t created = nullptr;
    KG_DNN(cudnnCreateActivationDescriptor, &created);
    KG_DNN(cudnnSetActivationDescriptor, created, CUDNN_ACTIVATION_IDENTITY, CUDNN_NOT_PROPAGATE_NAN, 0.0);
    return created;
  }();
  return d;
}

}  // namespace

// Workspaces come from the caching allocator and go back to it at once: the next user runs later on the same stream.
bool conv_forward(const Conv& c, const void* x, const void* w, const void* bias, void* y) {
  Plan& p = plan_of(c);
  const Storage space(int64_t(p.forward_bytes), Device::cuda);
  if (bias && p.adds_bias) {
    const cudnnStatus_t status = KG_CALL(dnn(), cudnnConvolutionBiasActivationForward)(
        handle(), &kOne, p.x, x, p.w, w, p.conv, p.forward, space.data(), p.forward_bytes, &kZero, p.y, y, p.bias, bias,
        identity(), p.y, y);
    if (!refused(status)) return check_dnn(status, "cudnnConvolutionBiasActivationForward"), true;
    p.adds_bias = false;
  }
  KG_DNN(cudnnConvolutionForward, handle(), &kOne, p.x, x, p.w, w, p.conv, p.forward, space.data(), p.forward_bytes,
         &kZero, p.y, y);
  return !bias;
}
void conv_backward_input(const Conv& c, const void* gy, const void* w, void* gx) {
  const Plan& p = plan_of(c);
  const Storage space(int64_t(p.input_bytes), Device::cuda);
  KG_DNN(cudnnConvolutionBackwardData, handle(), &kOne, p.w, w, p.y, gy, p.conv, p.input, space.data(), p.input_bytes,
         &kZero, p.x, gx);
}
void conv_backward_weight(const Conv& c, const void* gy, const void* x, void* gw) {
  const Plan& p = plan_of(c);
  const Storage space(int64_t(p.weight_bytes), Device::cuda);
  KG_DNN(cudnnConvolutionBackwardFilter, handle(), &kOne, p.x, x, p.y, gy, p.conv, p.weight, space.data(),
         p.weight_bytes, &kZero, p.w, gw);
}

}  // namespace kg::cuda
