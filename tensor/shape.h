// Shape: up to six extents (or strides, in elements), trivially copyable so that kernels take it by value.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>

#include "tensor/error.h"

namespace kg {

inline constexpr int kMaxRank = 6;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> extents) {
    CHECK(extents.size() <= kMaxRank, "[shape] rank ", extents.size(), " is above the limit of ", kMaxRank);
    for (int64_t e : extents) extents_[size_t(rank_++)] = e;
  }
  static Shape filled(int rank, int64_t value) {
    Shape s;
    for (int i = 0; i < rank; ++i) s.push_back(value);
    return s;
  }

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return extents_[size_t(axis)]; }
  int64_t& operator[](int axis) { return extents_[size_t(axis)]; }
  int64_t back() const { return extents_[size_t(rank_ - 1)]; }
  void push_back(int64_t extent) {
    CHECK(rank_ < kMaxRank, "[shape] rank is above the limit of ", kMaxRank);
    extents_[size_t(rank_++)] = extent;
  }
  void insert(int axis, int64_t extent) {
    push_back(0);
    for (int i = rank_ - 1; i > axis; --i) (*this)[i] = (*this)[i - 1];
    (*this)[axis] = extent;
  }
  void erase(int axis) {
    for (int i = axis; i + 1 < rank_; ++i) (*this)[i] = (*this)[i + 1];
    --rank_;
  }
  int64_t numel() const {
    int64_t n = 1;
    for (int i = 0; i < rank_; ++i) n *= (*this)[i];
    return n;
  }
  // Row-major strides.
  Shape contiguous_strides() const {
    Shape s = *this;
    int64_t step = 1;
    for (int i = rank_ - 1; i >= 0; --i) s[i] = step, step *= (*this)[i];
    return s;
  }
  const int64_t* begin() const { return extents_.data(); }
  const int64_t* end() const { return extents_.data() + rank_; }
  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i)
      if ((*this)[i] != other[i]) return false;
    return true;
  }

 private:
  std::array<int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  out << '(';
  for (int i = 0; i < s.rank(); ++i) out << (i ? ", " : "") << s[i];
  return out << ')';
}

// A negative axis counts from the end.
inline int wrap_axis(int axis, int rank, const char* op) {
  const int wrapped = axis < 0 ? axis + rank : axis;
  CHECK(wrapped >= 0 && wrapped < rank, "[", op, "] axis ", axis, " is out of bounds for rank ", rank);
  return wrapped;
}

// NumPy's broadcasting of two shapes.
inline Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  Shape out = Shape::filled(a.rank() > b.rank() ? a.rank() : b.rank(), 1);
  for (int i = 1; i <= out.rank(); ++i) {
    const int64_t x = i <= a.rank() ? a[a.rank() - i] : 1, y = i <= b.rank() ? b[b.rank() - i] : 1;
    CHECK(x == y || x == 1 || y == 1, "[", op, "] shapes ", a, " and ", b, " do not broadcast");
    out[out.rank() - i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace kg
