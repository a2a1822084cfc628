#include "nn/decode.h"

#include <algorithm>
#include <cstdio>

namespace kg {

Tensor decode_rows(const Linear& layer, const Tensor& x, const RowsOptions& options) {
  return linear_rows(x, layer.weight.value, layer.bias.value, options);
}
RowNorm row_norm(const LayerNorm& norm) { return {norm.weight.value, norm.bias.value, norm.eps, false}; }
RowNorm row_norm(const RMSNorm& norm) { return {norm.weight.value, {}, norm.eps, true}; }
RowProjection row_projection(const Linear& layer) { return {layer.weight.value, layer.bias.value}; }
Tensor decode_rows(const RMSNorm& norm, const Tensor& x) { return rms_norm(x, norm.weight.value, norm.eps).y; }

void DecodeState::make_room(int64_t layers, int64_t rows, int64_t most, int64_t heads, int64_t head_width,
                            const Tensor& like) {
  const auto room = [&] { return Tensor::empty({rows, most, heads, head_width}, like.dtype(), like.device()); };
  for (int64_t i = 0; i < layers; ++i) written.push_back({room(), room()});
  position = Tensor::zeros({1}, Dtype::i32, like.device());
}

DecodeState DecodeState::repeated(int64_t times) const {
  std::vector<int32_t> each;
  for (int64_t row = 0; row < rows(); ++row) each.insert(each.end(), size_t(times), int32_t(row));
  const KeyValueCache& room = written.front();
  const Tensor from = Tensor::from(each, {rows() * times}).to(room.k.device());
  const auto repeat = [&](const Tensor& t) { return t.defined() ? index_select(t, 0, from) : t; };
  DecodeState out;
  out.make_room(int64_t(written.size()), from.numel(), most(), room.k.size(2), room.k.size(3), room.k);
  for (const KeyValueCache& c : source) out.source.push_back({repeat(c.k), repeat(c.v)});
  out.source_mask = repeat(source_mask), out.condition = repeat(condition), out.bias = bias;
  return out;
}

namespace {
// All that no step writes, and then the caches.
std::vector<Tensor*> parts(DecodeState& s, bool caches) {
  std::vector<Tensor*> all{&s.source_mask, &s.condition, &s.bias};
  for (KeyValueCache& c : s.source) all.push_back(&c.k), all.push_back(&c.v);
  if (caches)
    for (KeyValueCache& c : s.written) all.push_back(&c.k), all.push_back(&c.v);
  return all;
}
bool alike(const Tensor& a, const Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.shape() == b.shape() && a.dtype() == b.dtype() && a.device() == b.device();
}
}  // namespace

void Decoder::start(DecodeState state) {
  CHECK(!state.written.empty(), "[decode] a state without room for keys and values");
  position_ = 0;
  const std::vector<Tensor*> old = parts(state_, true), now = parts(state, true);
  if (std::equal(old.begin(), old.end(), now.begin(), now.end(), [](auto* a, auto* b) { return alike(*a, *b); })) {
    const std::vector<Tensor*> to = parts(state_, false);
    for (size_t i = 0; i < to.size(); ++i)
      if (to[i]->defined()) to[i]->copy_from(*now[i]);
    return;
  }
  for (Tensor* t : parts(state, true))
    if (t->defined()) *t = t->clone();  // the caller's own stays as it is
  state_ = std::move(state);
  inputs_ = Tensor::empty({rows() + 1}, Dtype::i32, state_.written.front().k.device());
  ids_ = inputs_.slice(0, 0, rows()), state_.position = inputs_.slice(0, rows(), rows() + 1);
  graph_.reset();
  steps_ = Steps::cold;
}

// The graph has memory of its own; what steps have left of other shapes is given back before, as nothing can be while
// it is captured.
void Decoder::capture(const std::function<void()>& run) {
  logits_ = {};
  release_cache(ids_.device());
  try {
    graph_.capture(run);
  } catch (const Error& error) {
    std::fprintf(stderr, "decoding: the steps run without a CUDA graph, since one cannot be captured: %s\n",
                 error.what());
    graph_.reset();
    steps_ = Steps::without_graph;
    run();
  }
}

Tensor Decoder::step(const std::vector<int32_t>& ids) {
  NoGrad guard;
  CHECK(inputs_.defined(), "[decode] step() before start()");
  CHECK(int64_t(ids.size()) == rows(), "[decode] ", ids.size(), " ids for ", rows(), " rows");
  CHECK(position_ < most(), "[decode] position ", position_, " of a decoder for ", most());
  std::vector<int32_t> inputs = ids;
  inputs.push_back(int32_t(position_));
  inputs_.copy_from(Tensor::from(inputs, {rows() + 1}));
  const auto run = [&] { logits_ = model_.step(ids_, state_); };
  if (graph_.captured())
    graph_.replay();
  else if (steps_ == Steps::warm)
    capture(run);
  else
    run();
  if (steps_ == Steps::cold && ids_.device() == Device::cuda) steps_ = Steps::warm;
  ++position_;
  return logits_.to(Device::cpu).to(Dtype::f32);
}

void Decoder::reorder(const std::vector<int32_t>& rows) {
  CHECK(int64_t(rows.size()) == this->rows(), "[decode] an order of ", rows.size(), " rows for ", this->rows());
  if (position_ == 0) return;
  const Tensor from = Tensor::from(rows, {this->rows()}).to(ids_.device());
  for (const KeyValueCache& cache : state_.written)
    for (const Tensor& all : {cache.k, cache.v}) {
      const Tensor seen = all.slice(1, 0, position_);
      seen.copy_from(index_select(seen, 0, from));
    }
}

}  // namespace kg
