// BMM, the bidirectional momentum retriever of ReMoMask: the part network with a copy of it and of the
// text encoder that follow slowly (He et al. 2020). The copies' features are the keys: those of the batch and, from two
// queues, of earlier steps. q_t . [k_m; Q_m] / tau and q_m . [k_t; Q_t] / tau, the cross-entropy with each item's own
// key as the target. Letters: B items of a batch, N of a queue, W width.
#pragma once

#include "models/retrieval/part_network.h"
#include "nn/queue.h"

namespace kg {

struct BmmConfig {
  BmmConfig() { network.projection = 512; }
  PartNetworkConfig network;
  int64_t queue = 65536;      // N
  double momentum = 0.99;     // of the copies, at each step
  double temperature = 0.07;  // tau
  bool normalize = false;     // features have length 1 in the loss; the original's have that in retrieval only
  bool mask_same = false;     // keys of an item's own id, but for its target, are no negatives
};
template <class V>
void fields(BmmConfig& c, V&& v) {
  fields(c.network, v);
  v(Field{"queue", "queue", "keys of earlier steps", between(1, 1 << 24)}, c.queue);
  v(rare({"momentum", "momentum", "of the slow copies, at each step", between(0, 1)}), c.momentum);
  v(rare({"temperature", "temperature", "that similarities are divided by", above(0)}), c.temperature);
  v(Field{"normalize", "normalize", "features of length 1 in the loss"}, c.normalize);
  v(Field{"mask_same", "mask-same", "earlier keys of the same item are no negatives"}, c.mask_same);
}

// The last N keys of both sides and the ids of their items, pushed together: one place for all. Before N have come,
// random directions (of length 1) stand for the rest, with the id -1.
struct KeyQueue {
  KeyQueue(int64_t count, int64_t width);
  void push(const Tensor& motion_keys, const Tensor& text_keys, const Tensor& item_ids);  // (B, W) twice, i32 (B)
  void to(Device device);
  void to(Dtype dtype);        // of the keys
  NamedTensors state() const;  // shares memory

  RingQueue motion, text, ids;  // (N, W), (N, W), i32 (N, 1)
};

class Bmm : public Retriever {
 public:
  Bmm(const BmmConfig& config, std::unique_ptr<TextEncoder> text, const Skeleton& body = humanml3d());
  static constexpr const char* kKind = "bmm";

  // What training needs beside the network: the copies and the queue. `copy` is another text encoder of the same kind,
  // for the values of `text` as they are now; none where that is frozen.
  void start(std::unique_ptr<TextEncoder> copy);

  int64_t width() const override { return config_.network.projection; }
  int64_t max_frames() const override { return config_.network.frames; }
  bool crops() const override { return true; }
  const char* kind() const override { return kKind; }
  LossTerms loss(const RetrievalBatch& batch) override;  // loss, text_to_motion, motion_to_text
  void before_step() override;                           // the copies follow
  void after_step() override;                            // the keys of the last loss() go into the queue
  NamedTensors state() const override;                   // copy.NAME, copy.text.NAME, queue.NAME
  void train(bool on) override;
  void to(Device device) override;
  void to(Dtype dtype) override;

  // Similarities (n, B + N) to the batch's keys and the queue's, those that are no negatives far below the others.
  struct Logits {
    Var text_to_motion, motion_to_text;
  };
  Logits logits(const RetrievalBatch& batch);
  int64_t trained_and_copied_parameters() const;  // of the network and the text encoder, and of their copies
  const BmmConfig& config() const { return config_; }
  PartNetwork& network() const override { return network_; }
  const KeyQueue& queue() const { return momentum().queue; }

 protected:
  Json configuration() const override;
  Var embed_motion(const MotionInput& motion) const override { return network_.motion(motion); }
  Var embed_text(const Var& states, const Tensor& mask) const override { return network_.text(states, mask); }

 private:
  struct Momentum {
    PartNetwork network;
    std::unique_ptr<TextEncoder> text;  // null where the encoder is frozen: its states serve both
    KeyQueue queue;
  };
  struct Keys {
    Tensor motion, text, ids;  // of the whole batch of the last loss(), in memory of their own
    Tensor places;             // places(B)
  };
  Momentum& momentum() const;
  Var feature(const Var& x) const;
  void keep(const Var& motion, const Var& text, const Tensor& ids);

  BmmConfig config_;
  mutable PartNetwork network_;
  std::unique_ptr<Momentum> momentum_;
  Keys keys_;
};

}  // namespace kg
