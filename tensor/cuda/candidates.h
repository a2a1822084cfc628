// The algorithms that a library proposes for one call, best first. A proposal may still be refused when it is called:
// the first one that does the work is found by calling them in turn, and stays the one for all later calls.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace kg::cuda {

template <class Algorithm>
class Candidates {
 public:
  Candidates() = default;
  explicit Candidates(std::vector<Algorithm> best_first) : left_(std::move(best_first)) {}

  bool empty() const { return left_.empty(); }
  const std::vector<Algorithm>& left() const { return left_; }
  // One has done the work. From then on a refusal is a failure of the device, not of the choice.
  bool proven() const { return proven_; }
  // Makes left()[i] the first: by a choice that knows better than the library.
  void prefer(size_t i) {
    if (i >= left_.size()) return;
    const auto chosen = left_.begin() + std::ptrdiff_t(i);
    std::rotate(left_.begin(), chosen, chosen + 1);
  }

  // call(algorithm): true when it did the work, false when it was refused; an Error for all else. False when every one
  // was refused.
  template <class Call>
  bool run(Call&& call) {
    while (!left_.empty()) {
      if (call(left_.front())) return proven_ = true;
      left_.erase(left_.begin());
    }
    return false;
  }

 private:
  std::vector<Algorithm> left_;
  bool proven_ = false;
};

}  // namespace kg::cuda
