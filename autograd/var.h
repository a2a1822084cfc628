// Var: a tensor with a place in the graph. Operations on Vars (autograd/functions.h) record closures; backward() runs
// them newest first. An edge points at the record (Meta), never at a value: an activation lives only if a closure
// captured it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tensor/ops.h"

namespace kg {

struct Meta;

// Where a closure puts the gradients of its inputs. Inputs that need none are skipped.
class Grads {
 public:
  explicit Grads(std::vector<std::shared_ptr<Meta>>& inputs) : inputs_(inputs) {}
  size_t size() const { return inputs_.size(); }
  bool needed(size_t i) const;
  // Adds g (of the input's shape, or broadcastable down to it by summing) to input i's gradient.
  void add(size_t i, const Tensor& g);
  // What has arrived at input i from its other users (perhaps nothing): all of it where they were recorded later. The
  // caller passes it on.
  Tensor take(size_t i);
  // The gradient of input i, to be written in place as g + beta sum: the buffer that is there, in whatever dense
  // layout, or a new one with the axes in memory in the order of `like`. beta is 0 where nothing has arrived, and the
  // buffer then holds no values yet.
  struct Sum {
    Tensor sum;
    double beta;
  };
  Sum target(size_t i, const Tensor& like);
  // The same to be added to: zeros where nothing has arrived.
  Tensor buffer(size_t i, const Tensor& like);
  // Somewhere to write a gradient to, all of it, contiguous and f32 for a bf16 `like`: the buffer of input i where that
  // waits for its first gradient, else a new tensor. put() follows when it is written; needed() may be false.
  struct Room {
    Tensor tensor;
    bool in_place;
  };
  Room room(size_t i, const Shape& shape, const Tensor& like);
  void put(size_t i, const Room& room);

 private:
  std::vector<std::shared_ptr<Meta>>& inputs_;
};

using BackwardFn = std::function<void(const Tensor& gy, Grads& gx)>;

struct Node {
  const char* op = "";
  uint64_t order = 0;  // creation number: backward runs in descending order
  std::vector<std::shared_ptr<Meta>> inputs;
  BackwardFn backward;
  std::vector<std::pair<std::shared_ptr<Storage>, uint32_t>> saved;  // debug builds: versions of the inputs' storages
};

struct Meta {
  bool requires_grad = false;
  Shape shape;
  Tensor grad;                 // undefined until something arrives
  bool owned = false;          // grad is this record's own buffer, to be added to in place
  bool stale = false;          // grad, an owned buffer, still holds an earlier step's: it stands for zeros
  bool used = false;           // backward has run through it
  std::shared_ptr<Node> node;  // none for a leaf
  ~Meta();                     // iterative: a long chain of nodes must not overflow the stack
  const Tensor& settled();     // grad, with the zeros written that it stands for
  void drop_grad() { grad = Tensor(), owned = stale = false; }
};

struct Var {
  Tensor value;
  std::shared_ptr<Meta> meta;

  Var() = default;
  Var(Tensor value, bool requires_grad = false);  // NOLINT: a constant converts silently
  bool defined() const { return value.defined(); }
  bool requires_grad() const { return meta && meta->requires_grad; }
  const Tensor& grad() const;
  const Shape& shape() const { return value.shape(); }
  int64_t size(int axis) const { return value.size(axis); }
  int rank() const { return value.rank(); }
  Dtype dtype() const { return value.dtype(); }
  int64_t numel() const { return value.numel(); }
  double item() const { return value.item(); }
};

// While one lives, nothing on this thread records.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;

 private:
  bool before_;
};
// The opposite, inside a NoGrad: checkpoint() records again while backward runs.
class EnableGrad {
 public:
  EnableGrad();
  ~EnableGrad();
  EnableGrad(const EnableGrad&) = delete;

 private:
  bool before_;
};
bool grad_enabled();

// The result of an op: recorded if grad is enabled and any input requires it.
Var record(const char* op, Tensor value, std::vector<Var> inputs, BackwardFn backward);

// Gradients of a scalar (or of sum(output * seed)) for every leaf below it; adds to the leaves' gradients.
void backward(const Var& output, Tensor seed = {});

inline Var detach(const Var& x) { return Var(x.value); }
// For weights and biases that may be views or missing.
inline Tensor packed(const Tensor& t) { return t.defined() ? t.contiguous() : t; }

}  // namespace kg
