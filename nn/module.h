// Module: a tree of named parameters (Var), buffers (Tensor) and children, all plain members of the deriving class that
// its constructor registers. Names join with '.', and names, order and shapes are those of the same PyTorch model.
//   struct Block : Module {
//     Block() { reg("conv1", conv1), reg("scale", scale); }
//     Conv1d conv1{8, 8, 3};
//     Var scale;
//   };
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/var.h"
#include "nn/state.h"

namespace kg {

using NamedParameters = std::vector<std::pair<std::string, Var*>>;
using NamedBuffers = std::vector<std::pair<std::string, Tensor*>>;

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  // Own parameters, then those of the children, in the order of registration. One that is registered twice (tied
  // weights) is listed once, under its first name.
  NamedParameters named_parameters() const;
  NamedBuffers named_buffers() const;
  int64_t parameter_count() const;

  // Parameters and buffers by name, tied ones under each name. The tensors share memory with the module: clone to keep.
  NamedTensors state_dict() const;
  // Copies values in, strictly (nn/state.h): an Error (input) with a table when anything does not fit.
  void load_state_dict(const NamedTensors& entries, const std::string& source);

  void train(bool on = true);
  void eval() { train(false); }
  bool training() const { return training_; }
  void set_requires_grad(bool on);  // false freezes: no gradients, and an optimizer made later leaves it out
  // Converts float parameters and buffers, or moves all of them. Drops gradients; call it before making an optimizer.
  void to(Dtype dtype);
  void to(Device device);
  Device device() const;  // of the first parameter, as is dtype()
  Dtype dtype() const;

 protected:
  void reg(const std::string& name, Var& parameter);
  void reg(const std::string& name, Module& child);
  // A buffer that is not `saved` moves with the module but is no part of its state.
  void reg_buffer(const std::string& name, Tensor& buffer, bool saved = true);

 private:
  void check_new(const std::string& name) const;
  void collect(const std::string& prefix, NamedParameters* parameters, NamedBuffers* buffers) const;
  void collect_state(const std::string& prefix, NamedTensors& state) const;
  const Var* first_parameter() const;
  void convert(Dtype dtype, Device device, bool keep_dtype);

  NamedParameters parameters_;
  NamedBuffers buffers_;
  std::vector<Tensor*> unsaved_;
  std::vector<std::pair<std::string, Module*>> children_;
  bool training_ = true;
};

// Children of one type under the names 0, 1, 2, ...
template <class T>
class ModuleList : public Module {
 public:
  template <class... Args>
  T& add(Args&&... args) {
    T& module = modules_.emplace_back(std::forward<Args>(args)...);
    reg(std::to_string(modules_.size() - 1), module);
    return module;
  }
  int64_t size() const { return int64_t(modules_.size()); }
  T& operator[](int64_t i) { return modules_[size_t(i)]; }
  const T& operator[](int64_t i) const { return modules_[size_t(i)]; }
  auto begin() { return modules_.begin(); }
  auto end() { return modules_.end(); }
  auto begin() const { return modules_.begin(); }
  auto end() const { return modules_.end(); }

 private:
  std::deque<T> modules_;  // never moves its elements
};

// Layers one after another, as papers draw them, under the names 0, 1, 2, ... A step without parameters, such as relu,
// takes a number too, as in PyTorch:
//   body.add<Conv1d>(263, 512, 3, 1, 1).add(relu).add<Conv1d>(512, 512, 3, 1, 1);   // 0, 1, 2
class Sequential : public Module {
 public:
  using Step = std::function<Var(const Var&)>;

  template <class Layer, class... Args>
  Sequential& add(Args&&... args) {
    auto layer = std::make_unique<Layer>(std::forward<Args>(args)...);
    reg(std::to_string(steps_.size()), *layer);
    steps_.push_back([&layer = *layer](const Var& x) { return Var(layer(x)); });
    layers_.push_back(std::move(layer));
    return *this;
  }
  Sequential& add(Var (*step)(const Var&)) { return add(Step(step)); }
  Sequential& add(Step step) {
    steps_.push_back(std::move(step));
    layers_.push_back(nullptr);
    return *this;
  }
  Var operator()(Var x) const {
    for (const Step& step : steps_) x = step(x);
    return x;
  }
  int64_t size() const { return int64_t(steps_.size()); }
  // The layer of that number; an Error where it is of another type or has no parameters.
  template <class Layer>
  Layer& at(int64_t i) const {
    auto* layer = i >= 0 && i < size() ? dynamic_cast<Layer*>(layers_[size_t(i)].get()) : nullptr;
    CHECK(layer, "[sequential] step ", i, " of ", size(), " is no layer of the type that is asked for");
    return *layer;
  }

 private:
  std::vector<Step> steps_;
  std::vector<std::unique_ptr<Module>> layers_;  // null for a step without parameters
};

}  // namespace kg
