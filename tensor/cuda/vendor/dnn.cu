// 1-D convolution over cuDNN, as a 2-D one of height 1 in channels-last layout. The
// algorithm of each pass is chosen once a shape, when it is first needed.
#include "tensor/cuda/dnn.h"

#include <cudnn.h>

#include <cstdio>
#include <map>
#include <tuple>

#include "tensor/cuda/blas.h"
#include "tensor/cuda/candidates.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/runtime.h"
#include "tensor/cuda/vendor/library.h"
#include "tensor/cuda/vendor/tuning.h"
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

// An algorithm of one pass, in the arithmetic and with the workspace that it was proposed for.
template <class Name>
struct Algorithm {
  Name name;
  cudnnMathType_t math;
  size_t bytes;
};
// One of forward, gradient of the input, gradient of the weight.
template <class Name>
struct Pass {
  cudnnConvolutionDescriptor_t conv = nullptr;  // null until the library was asked
  cudnnMathType_t math{};                       // that it has now
  Candidates<Algorithm<Name>> algorithms;
  bool tuned = false;
  bool said = false;  // that none is left
};
struct Plan {
  cudnnTensorDescriptor_t x = nullptr, y = nullptr, bias = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  Pass<cudnnConvolutionFwdAlgo_t> forward;
  Pass<cudnnConvolutionBwdDataAlgo_t> input;
  Pass<cudnnConvolutionBwdFilterAlgo_t> weight;
  bool adds_bias = true;  // until the library refuses to
};

// A combination that cuDNN does not take (codes of 2000 to 3999), not a failure.
bool refused(cudnnStatus_t status) { return status >= CUDNN_STATUS_BAD_PARAM && status < CUDNN_STATUS_INTERNAL_ERROR; }

Plan make_plan(const Conv& c) {
  Plan p;
  const cudnnDataType_t type = c.dtype == Dtype::f32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
  for (cudnnTensorDescriptor_t* t : {&p.x, &p.y, &p.bias}) KG_DNN(cudnnCreateTensorDescriptor, t);
  KG_DNN(cudnnCreateFilterDescriptor, &p.w);
  KG_DNN(cudnnSetTensor4dDescriptor, p.x, CUDNN_TENSOR_NHWC, type, int(c.batch), int(c.in), 1, int(c.time));
  KG_DNN(cudnnSetTensor4dDescriptor, p.y, CUDNN_TENSOR_NHWC, type, int(c.batch), int(c.out), 1, int(c.out_time));
  KG_DNN(cudnnSetTensor4dDescriptor, p.bias, CUDNN_TENSOR_NHWC, type, 1, int(c.out), 1, 1);
  KG_DNN(cudnnSetFilter4dDescriptor, p.w, type, CUDNN_TENSOR_NHWC, int(c.out), int(c.in), 1, int(c.taps));
  return p;
}

// For f32, FMA has exact products and the default is TF32; ALLOW_CONVERSION would let f32 become f16.
cudnnMathType_t asked_math(const Conv& c) {
  return c.dtype == Dtype::bf16 ? CUDNN_TENSOR_OP_MATH : tf32() ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
}
// The arithmetic that an algorithm is proposed for, unless that is less exact than what was asked for.
cudnnMathType_t math_of(const Conv& c, cudnnMathType_t proposed) {
  const bool exact = c.dtype == Dtype::f32 && !tf32();
  return exact || proposed == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION ? asked_math(c) : proposed;
}

// Asks for the algorithms of a pass, best first. Kept are those that give the same bytes in every run.
// propose(conv, most, &count, results) and workspace(conv, name, &bytes) call cuDNN.
template <class Result, class Name, class Propose, class Workspace>
void ask(Pass<Name>& pass, const Conv& c, const char* what, Propose propose, Workspace workspace) {
  if (pass.conv) return;
  KG_DNN(cudnnCreateConvolutionDescriptor, &pass.conv);
  KG_DNN(cudnnSetConvolution2dDescriptor, pass.conv, 0, c.padding, 1, c.stride, 1, c.dilation, CUDNN_CROSS_CORRELATION,
         CUDNN_DATA_FLOAT);
  KG_DNN(cudnnSetConvolutionMathType, pass.conv, asked_math(c));
  constexpr int kMost = 8;
  int count = 0;
  Result results[kMost];
  const cudnnStatus_t status = propose(pass.conv, kMost, &count, results);
  if (!refused(status)) check_dnn(status, what);
  std::vector<Algorithm<Name>> usable;
  for (int i = 0; i < count && !refused(status); ++i) {
    if (results[i].status != CUDNN_STATUS_SUCCESS || results[i].determinism != CUDNN_DETERMINISTIC) continue;
    Algorithm<Name> a{results[i].algo, math_of(c, results[i].mathType), 0};
    KG_DNN(cudnnSetConvolutionMathType, pass.conv, pass.math = a.math);
    if (workspace(pass.conv, a.name, &a.bytes) == CUDNN_STATUS_SUCCESS) usable.push_back(a);
  }
  pass.algorithms = Candidates<Algorithm<Name>>(std::move(usable));
}

// What is done instead is right, but slower: said once for a pass of a shape.
void say_refused(const char* what, const Conv& c) {
  std::fprintf(stderr,
               "[conv1d] cuDNN has no algorithm for %s of (%lld, %lld, %lld) to %lld channels, %lld taps, stride %d, "
               "dilation %d, in %s; it is computed as a matrix product\n",
               what, static_cast<long long>(c.batch), static_cast<long long>(c.time), static_cast<long long>(c.in),
               static_cast<long long>(c.out), static_cast<long long>(c.taps), c.stride, c.dilation, name_of(c.dtype));
}

// Of a pass in the file of choices (tensor/cuda/vendor/tuning.h).
std::string key_of(const Conv& c, const char* what) {
  std::string key = "cuDNN " + std::to_string(KG_CALL(dnn(), cudnnGetVersion)()) + ", " + what;
  for (const int64_t part : {c.batch, c.time, c.in, c.out, c.taps, c.out_time, int64_t(c.stride), int64_t(c.padding),
                             int64_t(c.dilation), int64_t(c.dtype), int64_t(tf32())})
    key += " " + std::to_string(part);
  return key;
}

// call(algorithm, workspace) by the first algorithm that takes it; false when none does. Workspaces come from the
// caching allocator and go back to it at once: the next user runs later on the same stream.
template <class Name, class Call>
bool run(Pass<Name>& pass, const Conv& c, const char* what, Call call) {
  const auto attempt = [&](const Algorithm<Name>& a) {
    if (a.math != pass.math) KG_DNN(cudnnSetConvolutionMathType, pass.conv, pass.math = a.math);
    const Storage space(int64_t(a.bytes), Device::cuda);
    const cudnnStatus_t status = call(a, space.data());
    if (status != CUDNN_STATUS_SUCCESS) cudaGetLastError();  // it is not to be found by the next call
    return status;
  };
  if (!std::exchange(pass.tuned, true) && tuning())
    pass.algorithms.prefer(tuned(key_of(c, what), pass.algorithms.left().size(),
                                 [&](size_t i) { return attempt(pass.algorithms.left()[i]) == CUDNN_STATUS_SUCCESS; }));
  const bool proven = pass.algorithms.proven();
  const bool done = pass.algorithms.run([&](const Algorithm<Name>& a) {
    const cudnnStatus_t status = attempt(a);
    // A kernel that cannot be launched is refused as well, as long as none ever was.
    if (status != CUDNN_STATUS_SUCCESS && (proven || status < CUDNN_STATUS_BAD_PARAM)) check_dnn(status, what);
    return status == CUDNN_STATUS_SUCCESS;
  });
  if (!done && !pass.said) say_refused(what, c), pass.said = true;
  return done;
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

ConvForward conv_forward(const Conv& c, const void* x, const void* w, const void* bias, void* y) {
  Plan& p = plan_of(c);
  ask<cudnnConvolutionFwdAlgoPerf_t>(
      p.forward, c, "cudnnGetConvolutionForwardAlgorithm_v7",
      [&](auto conv, auto... rest) {
        return KG_CALL(dnn(), cudnnGetConvolutionForwardAlgorithm_v7)(handle(), p.x, p.w, conv, p.y, rest...);
      },
      [&](auto conv, auto... rest) {
        return KG_CALL(dnn(), cudnnGetConvolutionForwardWorkspaceSize)(handle(), p.x, p.w, conv, p.y, rest...);
      });
  bool added = false;
  const bool computed = run(p.forward, c, "cudnnConvolutionForward", [&](const auto& a, void* space) {
    added = false;  // by an algorithm that was tried before
    // Only the algorithm that cuDNN documents for it takes a bias without an activation.
    if (bias && p.adds_bias && a.name == CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM) {
      const cudnnStatus_t status = KG_CALL(dnn(), cudnnConvolutionBiasActivationForward)(
          handle(), &kOne, p.x, x, p.w, w, p.forward.conv, a.name, space, a.bytes, &kZero, p.y, y, p.bias, bias,
          identity(), p.y, y);
      added = status == CUDNN_STATUS_SUCCESS;
      if (!refused(status)) return status;
      p.adds_bias = false;
    }
    return KG_CALL(dnn(), cudnnConvolutionForward)(handle(), &kOne, p.x, x, p.w, w, p.forward.conv, a.name, space,
                                                   a.bytes, &kZero, p.y, y);
  });
  if (!computed) return ConvForward::refused;
  return !bias || added ? ConvForward::done : ConvForward::without_bias;
}

bool conv_backward_input(const Conv& c, const void* gy, const void* w, void* gx) {
  Plan& p = plan_of(c);
  ask<cudnnConvolutionBwdDataAlgoPerf_t>(
      p.input, c, "cudnnGetConvolutionBackwardDataAlgorithm_v7",
      [&](auto conv, auto... rest) {
        return KG_CALL(dnn(), cudnnGetConvolutionBackwardDataAlgorithm_v7)(handle(), p.w, p.y, conv, p.x, rest...);
      },
      [&](auto conv, auto... rest) {
        return KG_CALL(dnn(), cudnnGetConvolutionBackwardDataWorkspaceSize)(handle(), p.w, p.y, conv, p.x, rest...);
      });
  return run(p.input, c, "cudnnConvolutionBackwardData", [&](const auto& a, void* space) {
    return KG_CALL(dnn(), cudnnConvolutionBackwardData)(handle(), &kOne, p.w, w, p.y, gy, p.input.conv, a.name, space,
                                                        a.bytes, &kZero, p.x, gx);
  });
}

bool conv_backward_weight(const Conv& c, const void* gy, const void* x, void* gw) {
  Plan& p = plan_of(c);
  ask<cudnnConvolutionBwdFilterAlgoPerf_t>(
      p.weight, c, "cudnnGetConvolutionBackwardFilterAlgorithm_v7",
      [&](auto conv, auto... rest) {
        return KG_CALL(dnn(), cudnnGetConvolutionBackwardFilterAlgorithm_v7)(handle(), p.x, p.y, conv, p.w, rest...);
      },
      [&](auto conv, auto... rest) {
        return KG_CALL(dnn(), cudnnGetConvolutionBackwardFilterWorkspaceSize)(handle(), p.x, p.y, conv, p.w, rest...);
      });
  return run(p.weight, c, "cudnnConvolutionBackwardFilter", [&](const auto& a, void* space) {
    return KG_CALL(dnn(), cudnnConvolutionBackwardFilter)(handle(), &kOne, p.x, x, p.y, gy, p.weight.conv, a.name,
                                                          space, a.bytes, &kZero, p.w, gw);
  });
}

}  // namespace kg::cuda
