// Tensor: an n-d array. A cheap handle to shared storage with offset, shape and strides; knows nothing of gradients.
// Views (slice, transpose, permute, expand, squeeze) share storage; reshape shares it where strides allow and copies
// otherwise; contiguous() copies only what is not contiguous. Nothing else copies behind the caller's back.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/storage.h"

namespace kg {

class Tensor {
 public:
  Tensor() = default;

  static Tensor empty(const Shape& shape, Dtype dtype = Dtype::f32, Device device = Device::cpu);
  static Tensor full(const Shape& shape, double value, Dtype dtype = Dtype::f32, Device device = Device::cpu);
  static Tensor zeros(const Shape& shape, Dtype dtype = Dtype::f32, Device device = Device::cpu);
  static Tensor ones(const Shape& shape, Dtype dtype = Dtype::f32, Device device = Device::cpu);
  static Tensor scalar(double value, Dtype dtype = Dtype::f32, Device device = Device::cpu);
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    CHECK(int64_t(values.size()) == shape.numel(), "[from] ", values.size(), " values for shape ", shape);
    Tensor t = empty(shape, dtype_of<T>);
    if (!values.empty()) std::memcpy(t.data<T>(), values.data(), values.size() * sizeof(T));
    return t;
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  const Shape& strides() const { return strides_; }
  int rank() const { return shape_.rank(); }
  int64_t size(int axis) const { return shape_[wrap_axis(axis, rank(), "size")]; }
  int64_t numel() const { return shape_.numel(); }
  int64_t bytes() const { return numel() * size_of(dtype_); }
  Dtype dtype() const { return dtype_; }
  Device device() const { return device_; }
  bool is_contiguous() const;

  // First element of a tensor in host memory; T must be the dtype's C++ type.
  // Elements follow row-major only when is_contiguous().
  template <class T>
  T* data() const {
    CHECK(device_ == Device::cpu, "[data] the tensor is on the GPU; copy it with to(Device::cpu) first");
    return static_cast<T*>(device_data(dtype_of<T>));
  }
  // The same on any device; what is on the GPU is for kernels only.
  void* device_data(Dtype dtype) const {
    CHECK(defined() && dtype == dtype_, "[data] tensor is ", defined() ? name_of(dtype_) : "undefined", ", asked for ",
          name_of(dtype));
    return raw();
  }
  void* raw() const { return static_cast<char*>(storage_->data()) + offset_ * size_of(dtype_); }

  // Views. Axes may be negative.
  Tensor slice(int axis, int64_t begin, int64_t end) const;  // [begin, end)
  Tensor select(int axis, int64_t index) const;              // drops the axis
  Tensor transpose(int a, int b) const;
  Tensor permute(std::initializer_list<int> axes) const;
  Tensor expand(const Shape& shape) const;  // broadcast by stride 0
  Tensor unsqueeze(int axis) const;
  Tensor squeeze(int axis) const;
  Tensor reshape(const Shape& shape) const;   // one extent may be -1
  Tensor flatten(int first, int last) const;  // joins the axes first..last

  // Copies.
  Tensor contiguous() const;
  Tensor clone() const;
  Tensor to(Dtype dtype) const;
  Tensor to(Device device) const;
  std::vector<double> to_vector() const;  // row-major, converted
  double item() const;                    // the one element, converted

  // In-place writes into this tensor's elements (views too).
  void fill(double value) const;
  void copy_from(const Tensor& source) const;  // same shape after broadcasting; converts the dtype

  const std::shared_ptr<Storage>& storage() const { return storage_; }
  int64_t offset() const { return offset_; }
  uint32_t version() const { return storage_ ? storage_->version : 0; }
  void bump_version() const {
    if (versioned_) ++storage_->version;
  }
  // The same elements for writes that no backward may mind: debug builds do not take them for changes of saved tensors.
  Tensor unversioned() const {
    Tensor t = *this;
    t.versioned_ = false;
    return t;
  }
  // A view of `storage` from element `offset` on; flat parameter buffers are cut up with it.
  static Tensor view_of(const std::shared_ptr<Storage>& storage, int64_t offset, const Shape& shape, Dtype dtype);
  static Tensor view_of(const std::shared_ptr<Storage>& storage, int64_t offset, const Shape& shape,
                        const Shape& strides, Dtype dtype);

 private:
  std::shared_ptr<Storage> storage_;
  int64_t offset_ = 0;
  Shape shape_, strides_;
  Dtype dtype_ = Dtype::f32;
  Device device_ = Device::cpu;
  bool versioned_ = true;
};

inline Tensor empty_like(const Tensor& t) { return Tensor::empty(t.shape(), t.dtype(), t.device()); }
inline Tensor zeros_like(const Tensor& t) { return Tensor::zeros(t.shape(), t.dtype(), t.device()); }

}  // namespace kg
