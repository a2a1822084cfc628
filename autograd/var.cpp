#include "autograd/var.h"

#include <algorithm>
#include <atomic>
#include <unordered_set>
#include <utility>

namespace kg {
namespace {

thread_local bool enabled = true;
std::atomic<uint64_t> next_order{1};

// A gradient that arrived first is taken over as it is, or copied to the buffer that waits for it; the next ones are
// added in place. `owned` of Meta says whether the buffer may be written: a leaf's flat view, or a sum made here.
void accumulate(Meta& meta, const Tensor& g) {
  const Tensor piece = sum_to(g, meta.shape);
  if (meta.stale && meta.grad.dtype() == accumulator(piece.dtype())) {
    meta.grad.copy_from(piece);
    meta.stale = false;
    return;
  }
  meta.settled();
  if (!meta.grad.defined()) {
    meta.grad = piece;
    meta.owned = g.shape() != meta.shape;  // then `piece` is a sum that nobody shares
  } else if (meta.owned && meta.grad.dtype() == accumulator(piece.dtype())) {
    add_(meta.grad, piece);
  } else {
    const Dtype dtype = size_of(piece.dtype()) > size_of(meta.grad.dtype()) ? piece.dtype() : meta.grad.dtype();
    meta.grad = add(meta.grad.to(dtype), piece.to(dtype));
    meta.owned = true;
  }
}

// Strides with the axes in the order in which they lie in `t`, but without its gaps and overlaps.
Shape packed_strides(const Tensor& t) {
  std::vector<int> axes;
  for (int i = 0; i < t.rank(); ++i) axes.push_back(i);
  std::stable_sort(axes.begin(), axes.end(), [&](int a, int b) { return t.strides()[a] > t.strides()[b]; });
  Shape strides = t.shape();
  int64_t step = 1;
  for (size_t i = axes.size(); i-- > 0; step *= t.shape()[axes[i]]) strides[axes[i]] = step;
  return strides;
}

}  // namespace

Meta::~Meta() {
  // Unlinks the graph below without recursion.
  std::vector<std::shared_ptr<Node>> open;
  if (node) open.push_back(std::move(node));
  while (!open.empty()) {
    std::shared_ptr<Node> n = std::move(open.back());
    open.pop_back();
    if (n.use_count() > 1) continue;
    n->backward = nullptr;
    for (auto& input : n->inputs) {
      const std::shared_ptr<Meta> last = std::move(input);  // one by one: an op may have the same input twice
      if (last.use_count() == 1 && last->node) open.push_back(std::move(last->node));
    }
  }
}

const Tensor& Meta::settled() {
  if (std::exchange(stale, false)) grad.fill(0);
  return grad;
}

Var::Var(Tensor v, bool requires_grad) : value(std::move(v)) {
  if (!requires_grad) return;
  CHECK(is_float(value.dtype()), "[var] only float tensors take gradients, this is ", name_of(value.dtype()));
  meta = std::make_shared<Meta>();
  meta->requires_grad = true;
  meta->shape = value.shape();
}

const Tensor& Var::grad() const {
  static const Tensor none;
  return meta ? meta->settled() : none;
}

NoGrad::NoGrad() : before_(enabled) { enabled = false; }
NoGrad::~NoGrad() { enabled = before_; }
EnableGrad::EnableGrad() : before_(enabled) { enabled = true; }
EnableGrad::~EnableGrad() { enabled = before_; }
bool grad_enabled() { return enabled; }

bool Grads::needed(size_t i) const { return inputs_[i] != nullptr; }

void Grads::add(size_t i, const Tensor& g) {
  if (inputs_[i]) accumulate(*inputs_[i], g);
}

Tensor Grads::take(size_t i) {
  if (!inputs_[i]) return {};
  inputs_[i]->owned = false;
  return std::exchange(inputs_[i]->grad, Tensor());
}

Grads::Sum Grads::target(size_t i, const Tensor& like) {
  Meta& meta = *inputs_[i];
  if (meta.grad.defined() && meta.owned) return {meta.grad, std::exchange(meta.stale, false) ? 0.0 : 1.0};
  const Tensor before = meta.grad;
  const Dtype dtype = meta.node ? like.dtype() : accumulator(like.dtype());  // of weights: f32 for bf16
  meta.grad = Tensor::view_of(std::make_shared<Storage>(like.numel() * size_of(dtype), like.device()), 0, like.shape(),
                              packed_strides(like), dtype);
  if (before.defined()) meta.grad.copy_from(before);
  meta.owned = true;
  return {meta.grad, before.defined() ? 1.0 : 0.0};
}

Tensor Grads::buffer(size_t i, const Tensor& like) {
  const auto [sum, beta] = target(i, like);
  if (beta == 0) sum.fill(0);
  return sum;
}

// Taken at once: the next to ask, which may be another input of the same op, finds the buffer in use.
Grads::Room Grads::room(size_t i, const Shape& shape, const Tensor& like) {
  const Dtype dtype = accumulator(like.dtype());
  if (Meta* meta = inputs_[i].get();
      meta && meta->stale && meta->grad.shape() == shape && meta->grad.dtype() == dtype && meta->grad.is_contiguous()) {
    meta->stale = false;
    return {meta->grad, true};
  }
  return {Tensor::empty(shape, dtype, like.device()), false};
}

void Grads::put(size_t i, const Room& room) {
  if (!room.in_place) add(i, room.tensor);
}

Var record(const char* op, Tensor value, std::vector<Var> inputs, BackwardFn backward) {
  Var out(std::move(value));
  if (!enabled) return out;
  bool wanted = false;
  for (const Var& x : inputs) wanted = wanted || x.requires_grad();
  if (!wanted) return out;
  auto node = std::make_shared<Node>();
  node->op = op;
  node->order = next_order++;
  node->backward = std::move(backward);
  for (Var& x : inputs) {
    node->inputs.push_back(x.requires_grad() ? x.meta : nullptr);
#ifndef NDEBUG
    if (x.value.storage()) node->saved.emplace_back(x.value.storage(), x.value.version());
#endif
  }
  out.meta = std::make_shared<Meta>();
  out.meta->requires_grad = true;
  out.meta->shape = out.value.shape();
  out.meta->node = std::move(node);
  return out;
}

void backward(const Var& output, Tensor seed) {
  CHECK(output.requires_grad(), "[backward] the output does not depend on anything that requires a gradient");
  if (!seed.defined()) {
    CHECK(output.numel() == 1, "[backward] output has shape ", output.shape(),
          "; give a seed or reduce it to a scalar");
    seed = Tensor::ones(output.shape(), output.dtype(), output.value.device());
  }
  CHECK(seed.shape() == output.shape() && seed.dtype() == output.dtype(), "[backward] the seed must be ",
        name_of(output.dtype()), " ", output.shape(), " like the output, is ", name_of(seed.dtype()), " ",
        seed.shape());
  NoGrad guard;
  const char* used = "[backward] the graph was already used; run the forward again";
  CHECK(!output.meta->used, used);
  if (!output.meta->node) return accumulate(*output.meta, seed);

  // Reachable records, then newest first.
  std::vector<Meta*> open{output.meta.get()}, order;
  std::unordered_set<Meta*> seen{output.meta.get()};
  while (!open.empty()) {
    Meta* meta = open.back();
    open.pop_back();
    order.push_back(meta);
    for (const auto& input : meta->node->inputs) CHECK(!input || !input->used, used);
    for (const auto& input : meta->node->inputs)
      if (input && input->node && seen.insert(input.get()).second) open.push_back(input.get());
  }
  std::sort(order.begin(), order.end(), [](Meta* a, Meta* b) { return a->node->order > b->node->order; });

  output.meta->grad = seed;
  // `done` keeps consumed records alive until the end: `order` holds bare pointers to them.
  std::vector<std::shared_ptr<Meta>> done{output.meta};
  for (Meta* meta : order) {
    const std::shared_ptr<Node> node = std::move(meta->node);
    meta->used = true;
#ifndef NDEBUG
    for (const auto& [storage, version] : node->saved)
      CHECK(storage->version == version, "[backward] a tensor saved for ", node->op, " was changed in place (version ",
            version, " -> ", storage->version, ")");
#endif
    const Tensor gy = std::move(meta->grad);
    meta->grad = Tensor();
    meta->owned = false;
    if (gy.defined()) {
      Grads gx(node->inputs);
      node->backward(gy, gx);
    }
    node->backward = nullptr;
    for (auto& input : node->inputs)
      if (input && input->node) done.push_back(std::move(input));
  }
}

}  // namespace kg
