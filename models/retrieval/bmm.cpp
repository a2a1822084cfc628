#include "models/retrieval/bmm.h"

#include "models/model_file.h"
#include "models/retrieval/contrastive.h"
#include "models/text/pooling.h"
#include "nn/distributed.h"
#include "nn/losses.h"
#include "nn/momentum.h"

namespace kg {

// ---- the queue

KeyQueue::KeyQueue(int64_t count, int64_t width) : motion(count, width), text(count, width), ids(count, 1, Dtype::i32) {
  NoGrad guard;
  for (const RingQueue* queue : {&motion, &text}) {
    init::normal(queue->rows(), 0, 1);
    queue->rows().copy_from(l2_normalize(Var(queue->rows())).value);
  }
  ids.rows().fill(-1);
}
void KeyQueue::push(const Tensor& motion_keys, const Tensor& text_keys, const Tensor& item_ids) {
  motion.push(motion_keys);
  text.push(text_keys);
  ids.push(item_ids.reshape({item_ids.numel(), 1}));
}
void KeyQueue::to(Device device) {
  for (RingQueue* queue : {&motion, &text, &ids}) queue->to(device);
}
void KeyQueue::to(Dtype dtype) {
  for (RingQueue* queue : {&motion, &text}) queue->to(dtype);
}
NamedTensors KeyQueue::state() const {
  NamedTensors all;
  const std::pair<const char*, const RingQueue*> parts[] = {{"motion.", &motion}, {"text.", &text}, {"ids.", &ids}};
  for (const auto& [prefix, queue] : parts)
    for (const auto& [name, tensor] : queue->state()) all.emplace_back(prefix + name, tensor);
  return all;
}

// ---- the retriever

Bmm::Bmm(const BmmConfig& config, std::unique_ptr<TextEncoder> encoder, const Skeleton& body)
    : Retriever(std::move(encoder), body), config_(config), network_(config.network, body, text->state_width()) {}

void Bmm::start(std::unique_ptr<TextEncoder> copy) {
  CHECK(text->frozen() == !copy, "[bmm] a text encoder that is ",
        text->frozen() ? "frozen takes no" : "trained needs a", " copy");
  {
    const init::SkipRandom skip;  // values come next
    momentum_.reset(new Momentum{{config_.network, skeleton(), text->state_width()}, std::move(copy), {1, 1}});
  }
  Momentum& m = *momentum_;
  m.network.load_state_dict(network_.state_dict(), "the network");
  m.network.set_requires_grad(false);
  if (m.text) {
    m.text->load_state_dict(text->state_dict(), "the text encoder");
    m.text->set_requires_grad(false);
  }
  m.queue = KeyQueue(config_.queue, width());
  to(network_.device());
  to(network_.dtype());
  train(network_.training());
}

Bmm::Momentum& Bmm::momentum() const {
  CHECK(momentum_, "[bmm] call start() before training: the copies and the queue are not there");
  return *momentum_;
}

Var Bmm::feature(const Var& x) const {
  const Var wide = in_dtype(x, accumulator(x.dtype()));
  return config_.normalize ? l2_normalize(wide) : wide;
}

Bmm::Logits Bmm::logits(const RetrievalBatch& batch) {
  const Momentum& slow = momentum();
  const Var states = text_states(batch);
  const Var motion = feature(network_.motion(batch.motion)), text_ = feature(network_.text(states, batch.text.mask));
  const Dtype dtype = motion.dtype();
  Var motion_keys, text_keys;
  {
    NoGrad guard;
    const Var slow_states = slow.text ? slow.text->states(batch.text) : states;
    motion_keys = rows_over_ranks(in_dtype(feature(slow.network.motion(batch.motion)), dtype), batch.size());
    text_keys =
        rows_over_ranks(in_dtype(feature(slow.network.text(slow_states, batch.text.mask)), dtype), batch.size());
  }
  keep(motion_keys, text_keys, batch.ids);
  Tensor same, same_queued;  // (n, B) but for the targets, (n, N)
  if (config_.mask_same) {
    const int64_t count = batch.targets.numel(), all = batch.size();
    CHECK(batch.ids.defined() && batch.ids.numel() == all,
          "[bmm] masking keys of one item needs the ids of the batch, ", all, " of them");
    const auto pairs = [&](const Tensor& ids, const Tensor& others) {
      return equal(ids.reshape({count, 1}), others.reshape({1, others.numel()}));
    };
    const Part part = part_of(all);
    const Tensor ids = batch.ids.slice(0, part.begin, part.end).contiguous();
    const Tensor own = pairs(batch.targets, keys_.places), no = Tensor::zeros({1}, Dtype::u8, own.device());
    same = equal(equal(pairs(ids, batch.ids), own), no);
    same_queued = pairs(ids, slow.queue.ids.rows());
  }
  const auto against = [&](const Var& queries, const Var& keys, const Tensor& queued) {
    const Var scaled = queries * (1 / config_.temperature);
    const Var near = matmul(scaled, transpose(keys, 0, 1)), far = matmul(scaled, Var(queued.to(dtype).transpose(0, 1)));
    return concat(
        std::vector<Var>{without_masked(without_masked(near, batch.mask), same), without_masked(far, same_queued)}, 1);
  };
  return {against(text_, motion_keys, slow.queue.motion.rows()), against(motion, text_keys, slow.queue.text.rows())};
}

// In memory that stays: a step that is captured as a graph writes there again and again.
void Bmm::keep(const Var& motion, const Var& text_, const Tensor& ids) {
  if (!keys_.motion.defined() || keys_.motion.shape() != motion.shape() ||
      keys_.motion.device() != motion.value.device()) {
    const Device device = motion.value.device();
    keys_ = {Tensor::empty(motion.shape(), motion.dtype(), device),
             Tensor::empty(motion.shape(), motion.dtype(), device),
             Tensor::full({motion.size(0)}, -1, Dtype::i32, device), places(motion.size(0)).to(device)};
  }
  keys_.motion.copy_from(motion.value);
  keys_.text.copy_from(text_.value);
  if (ids.defined()) keys_.ids.copy_from(ids);
}

LossTerms Bmm::loss(const RetrievalBatch& batch) {
  const Logits l = logits(batch);
  const Var to_motion = cross_entropy_loss(l.text_to_motion, batch.targets),
            to_text = cross_entropy_loss(l.motion_to_text, batch.targets);
  return {{"loss", 0.5 * (to_motion + to_text)}, {"text_to_motion", to_motion}, {"motion_to_text", to_text}};
}

void Bmm::before_step() {
  NoGrad guard;
  follow(momentum().network, network_, config_.momentum);
  if (momentum().text) follow(*momentum().text, *text, config_.momentum);
}
void Bmm::after_step() {
  CHECK(keys_.motion.defined(), "[bmm] there are no keys yet: after_step() follows a loss()");
  momentum().queue.push(keys_.motion, keys_.text, keys_.ids);
}

NamedTensors Bmm::state() const {
  const Momentum& m = momentum();
  NamedTensors all;
  for (const auto& [name, tensor] : m.network.state_dict()) all.emplace_back("copy." + name, tensor);
  if (m.text)
    for (const auto& [name, tensor] : m.text->state_dict()) all.emplace_back("copy.text." + name, tensor);
  for (const auto& [name, tensor] : m.queue.state()) all.emplace_back("queue." + name, tensor);
  return all;
}

int64_t Bmm::trained_and_copied_parameters() const {
  int64_t count = network_.parameter_count() + momentum().network.parameter_count();
  if (momentum().text) count += text->parameter_count() + momentum().text->parameter_count();
  return count;
}

// The copies keep their dropout in training, as the original's.
void Bmm::train(bool on) {
  Retriever::train(on);
  if (!momentum_) return;
  momentum_->network.train(on);
  if (momentum_->text) momentum_->text->train(on);
}
void Bmm::to(Device device) {
  Retriever::to(device);
  if (!momentum_) return;
  momentum_->network.to(device);
  if (momentum_->text) momentum_->text->to(device);
  momentum_->queue.to(device);
}
void Bmm::to(Dtype dtype) {
  Retriever::to(dtype);
  if (!momentum_) return;
  momentum_->network.to(dtype);
  if (momentum_->text) momentum_->text->to(dtype);
  momentum_->queue.to(accumulator(dtype));
}

Json Bmm::configuration() const { return to_json(config_); }

}  // namespace kg
