// RingQueue: the last N rows (N, W) that were pushed, the oldest overwritten first; negatives of a contrastive loss.
// Before N rows have come the rest is zero, and filled() says how many are there.
#pragma once

#include <algorithm>

#include "nn/state.h"

namespace kg {

class RingQueue {
 public:
  RingQueue(int64_t count, int64_t width, Dtype dtype = Dtype::f32)
      : rows_(Tensor::zeros({count, width}, dtype)), place_(Tensor::zeros({2}, Dtype::i32)) {}

  const Tensor& rows() const { return rows_; }                 // (N, W), in the order of their places
  int64_t place() const { return place_.data<int32_t>()[0]; }  // where the next row goes
  int64_t filled() const { return place_.data<int32_t>()[1]; }

  // (B, W), B at most N, wrapping around.
  void push(const Tensor& rows) {
    const int64_t count = rows_.size(0), more = rows.rank() == 2 ? rows.size(0) : 0;
    CHECK(rows.rank() == 2 && rows.size(1) == rows_.size(1) && more <= count, "[queue] rows ", rows.shape(),
          " do not fit a queue of ", rows_.shape());
    const int64_t first = std::min(more, count - place());  // up to the end; the rest goes to the beginning
    rows_.slice(0, place(), place() + first).copy_from(rows.slice(0, 0, first));
    if (more > first) rows_.slice(0, 0, more - first).copy_from(rows.slice(0, first, more));
    place_.data<int32_t>()[1] = int32_t(std::min(count, filled() + more));
    place_.data<int32_t>()[0] = int32_t((place() + more) % count);
  }
  void to(Device device) { rows_ = rows_.to(device); }
  void to(Dtype dtype) { rows_ = rows_.to(dtype); }

  NamedTensors state() const { return {{"rows", rows_}, {"place", place_}}; }  // shares memory

 private:
  Tensor rows_, place_;  // place_: i32 (2), the next place and the number of rows, on the CPU
};

}  // namespace kg
