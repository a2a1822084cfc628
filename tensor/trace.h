// What a piece of work is made of: while an OpTrace lives, every kernel that an op starts on this thread leaves a record
// in it, with its operands, its arithmetic, the memory that it must move and the time that it took. dispatch() is the
// one place that starts kernels, so none is missed; ops that a kernel calls itself are part of it, so none is counted
// twice. Without a trace it tests one pointer.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

struct OpRecord {
  struct Operand {
    Shape shape;
    Dtype dtype = Dtype::f32;
    double bytes = 0;  // of its elements, a repeated one once; 0: undefined
  };
  const char* kernel = "";        // as it is called: "linear_forward"
  std::vector<Operand> operands;  // results first
  double seconds = 0;

  // As in tensor/ops.h, as far as an op and its kernel are one: "linear", "add_" in place.
  std::string name() const;
  std::string shapes() const;  // "6528x512, 6528x256, 512x256, 512"; other dtypes than f32 are said
  double flops() const;        // multiplications and additions of products, a masked half included; else 0
  double bytes() const;        // read and written at least: each operand once, one that is changed in place twice
};

class OpTrace {
 public:
  OpTrace() : outer_(active_) { active_ = this; }  // takes the records until it ends, also from a trace around it
  ~OpTrace() { active_ = outer_; }
  OpTrace(const OpTrace&) = delete;
  OpTrace& operator=(const OpTrace&) = delete;

  const std::vector<OpRecord>& records() const { return records_; }
  static OpTrace* active() { return active_; }

 private:
  friend class OpTimer;
  std::vector<OpRecord> records_;
  OpTrace* outer_;
  static constinit thread_local OpTrace* active_;
};

// Times one kernel, on CUDA with a wait before and after it: nothing that is traced may be captured as a graph.
class OpTimer {
 public:
  template <class... Arguments>
  OpTimer(OpTrace& trace, Device device, const char* kernel, const Arguments&... arguments)
      : trace_(trace), device_(device) {
    record_.kernel = kernel;
    (add(arguments), ...);
    start();
  }
  ~OpTimer() noexcept(false);
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  template <class T>
  void add(const T& argument) {
    if constexpr (std::is_same_v<T, Tensor>) add_operand(argument);
    if constexpr (requires { argument.weight, argument.bias; }) add(argument.weight), add(argument.bias);
    if constexpr (requires { argument.norm, argument.gate; })  // RowsOptions
      add(argument.norm), add(argument.gate), add(argument.residual);
  }
  void add_operand(const Tensor& t);
  void start();

  OpTrace& trace_;
  Device device_;
  OpRecord record_;
  double begin_ = 0;
};

}  // namespace kg
