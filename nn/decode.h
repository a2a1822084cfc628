// Decoding: rows that are written token by token, over the keys and values of the positions before. Letters: B rows,
// C width, H heads, D width of a head, V vocabulary. What a step makes of a row depends on that row alone, bit for bit,
// whatever the batch.
#pragma once

#include <functional>

#include "nn/attention.h"
#include "nn/norm.h"
#include "tensor/device.h"

namespace kg {

// Layers on the rows x (B, C) of one position, and layers as the operations on rows take them (tensor/ops.h).
Tensor decode_rows(const Linear& layer, const Tensor& x, const RowsOptions& options = {});
Tensor decode_rows(const RMSNorm& norm, const Tensor& x);
RowNorm row_norm(const LayerNorm& norm);
RowNorm row_norm(const RMSNorm& norm);
RowProjection row_projection(const Linear& layer);

// What rows are written from, and what they have seen. A model makes it; undefined: the model has no use for it.
struct DecodeState {
  std::vector<KeyValueCache> written;  // of each layer: keys and values by position, (B, most, H, D)
  std::vector<KeyValueCache> source;   // of each layer with cross-attention, (B, Ts, H, D)
  Tensor source_mask;                  // u8 (B, Ts), 0 hides
  Tensor condition;                    // (B, C'), what the first position reads
  Tensor bias;                         // (1, H, 1, most) on scores: position p takes the last p + 1
  Tensor position;                     // i32 (1), where the rows are: it lies beside them, so that a graph serves all

  // Room for `most` positions of `rows` rows, in the dtype and on the device of `like`.
  void make_room(int64_t layers, int64_t rows, int64_t most, int64_t heads, int64_t head_width, const Tensor& like);
  DecodeState repeated(int64_t times) const;  // each row so often, and room for them, empty
  int64_t rows() const { return written.empty() ? 0 : written.front().k.size(0); }
  int64_t most() const { return written.empty() ? 0 : written.front().k.size(1); }
};

// A model that writes one token after another.
class TokenWriter {
 public:
  virtual ~TokenWriter() = default;
  // The ids (B) i32 at state.position, those before it having been stepped over -> logits (B, V) of the next. On a
  // device it is captured: it may not wait, and what it launches may not depend on the position.
  virtual Tensor step(const Tensor& ids, const DecodeState& state) const = 0;
  virtual int32_t first_id() const = 0;  // what position 0 is given
  virtual int32_t end_id() const = 0;
};

// Steps of a model for B rows. On CUDA the first step runs as it is, the second is captured as a graph, and all others
// replay it, those of later rows of the same shapes as well. A step that cannot be captured is said in a line and runs
// without a graph. It must not outlive the model, nor the memory of its weights (Module::to).
class Decoder {
 public:
  explicit Decoder(const TokenWriter& model) : model_(model) {}
  void start(DecodeState state);  // at position 0, with new rows
  // The ids at the next position, one a row -> logits (B, V) f32 on the host.
  Tensor step(const std::vector<int32_t>& ids);
  // Row i goes on from what row rows[i] has written; both are of one source.
  void reorder(const std::vector<int32_t>& rows);

  const TokenWriter& model() const { return model_; }
  int64_t rows() const { return state_.rows(); }
  int64_t position() const { return position_; }  // the next one
  int64_t most() const { return state_.most(); }

 private:
  void capture(const std::function<void()>& run);

  const TokenWriter& model_;
  DecodeState state_;  // stays where it is while the shapes are the same
  Tensor inputs_;      // i32 (B + 1): the ids and the position, copied at once
  Tensor ids_, logits_;
  int64_t position_ = 0;
  enum class Steps { cold, warm, without_graph } steps_ = Steps::cold;
  Graph graph_;
};

}  // namespace kg
