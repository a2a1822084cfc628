#include "tensor/tensor.h"

#include "tensor/cpu/copy.h"
#include "tensor/dispatch.h"

#ifdef KG_CUDA
#include "tensor/cuda/runtime.h"
#endif

namespace kg {

Tensor Tensor::view_of(const std::shared_ptr<Storage>& storage, int64_t offset, const Shape& shape, Dtype dtype) {
  return view_of(storage, offset, shape, shape.contiguous_strides(), dtype);
}
Tensor Tensor::view_of(const std::shared_ptr<Storage>& storage, int64_t offset, const Shape& shape,
                       const Shape& strides, Dtype dtype) {
  int64_t last = shape.numel() > 0 ? offset : offset - 1;
  for (int i = 0; i < shape.rank() && shape.numel() > 0; ++i) last += (shape[i] - 1) * strides[i];
  CHECK((last + 1) * size_of(dtype) <= storage->bytes(), "[view_of] view ", shape, " at ", offset,
        " is larger than its storage of ", storage->bytes(), " bytes");
  Tensor t;
  t.storage_ = storage;
  t.offset_ = offset;
  t.shape_ = shape;
  t.strides_ = strides;
  t.dtype_ = dtype;
  t.device_ = storage->device();
  return t;
}

Tensor Tensor::empty(const Shape& shape, Dtype dtype, Device device) {
  for (int64_t extent : shape) CHECK(extent >= 0, "[empty] negative extent in shape ", shape);
  return view_of(std::make_shared<Storage>(shape.numel() * size_of(dtype), device), 0, shape, dtype);
}
Tensor Tensor::full(const Shape& shape, double value, Dtype dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill(value);
  return t;
}
Tensor Tensor::zeros(const Shape& shape, Dtype dtype, Device device) { return full(shape, 0, dtype, device); }
Tensor Tensor::ones(const Shape& shape, Dtype dtype, Device device) { return full(shape, 1, dtype, device); }
Tensor Tensor::scalar(double value, Dtype dtype, Device device) { return full({}, value, dtype, device); }

bool Tensor::is_contiguous() const {
  int64_t step = 1;
  for (int i = rank() - 1; i >= 0; --i) {
    if (shape_[i] != 1 && strides_[i] != step) return false;
    step *= shape_[i];
  }
  return true;
}

Tensor Tensor::slice(int axis, int64_t begin, int64_t end) const {
  axis = wrap_axis(axis, rank(), "slice");
  CHECK(0 <= begin && begin <= end && end <= shape_[axis], "[slice] [", begin, ", ", end, ") is outside axis ", axis,
        " of shape ", shape_);
  Tensor t = *this;
  t.offset_ += begin * strides_[axis];
  t.shape_[axis] = end - begin;
  return t;
}
Tensor Tensor::select(int axis, int64_t index) const {
  axis = wrap_axis(axis, rank(), "select");
  return slice(axis, index, index + 1).squeeze(axis);
}
Tensor Tensor::transpose(int a, int b) const {
  a = wrap_axis(a, rank(), "transpose"), b = wrap_axis(b, rank(), "transpose");
  Tensor t = *this;
  std::swap(t.shape_[a], t.shape_[b]);
  std::swap(t.strides_[a], t.strides_[b]);
  return t;
}
Tensor Tensor::permute(std::initializer_list<int> axes) const {
  CHECK(int(axes.size()) == rank(), "[permute] ", axes.size(), " axes for shape ", shape_);
  Tensor t = *this;
  unsigned seen = 0;
  int i = 0;
  for (int axis : axes) {
    axis = wrap_axis(axis, rank(), "permute");
    CHECK(!(seen >> axis & 1), "[permute] axis ", axis, " is given twice");
    seen |= 1u << axis;
    t.shape_[i] = shape_[axis];
    t.strides_[i++] = strides_[axis];
  }
  return t;
}
Tensor Tensor::expand(const Shape& shape) const {
  CHECK(shape.rank() >= rank(), "[expand] cannot expand ", shape_, " to ", shape);
  Tensor t = *this;
  t.shape_ = shape;
  t.strides_ = Shape::filled(shape.rank(), 0);
  for (int i = 1; i <= rank(); ++i) {
    const int64_t from = shape_[rank() - i], to = shape[shape.rank() - i];
    CHECK(from == to || from == 1, "[expand] cannot expand ", shape_, " to ", shape);
    t.strides_[shape.rank() - i] = from == to ? strides_[rank() - i] : 0;
  }
  return t;
}
Tensor Tensor::unsqueeze(int axis) const {
  axis = wrap_axis(axis, rank() + 1, "unsqueeze");
  Tensor t = *this;
  t.shape_.insert(axis, 1);
  t.strides_.insert(axis, axis < rank() ? shape_[axis] * strides_[axis] : 1);
  return t;
}
Tensor Tensor::squeeze(int axis) const {
  axis = wrap_axis(axis, rank(), "squeeze");
  CHECK(shape_[axis] == 1, "[squeeze] axis ", axis, " of shape ", shape_, " is not 1");
  Tensor t = *this;
  t.shape_.erase(axis);
  t.strides_.erase(axis);
  return t;
}

namespace {
// Strides of `shape` over the same elements, when the layout allows a view: each run of old axes that merges in memory
// is cut into new axes.
bool view_strides(const Shape& old_shape, const Shape& old_strides, const Shape& shape, Shape& strides) {
  strides = shape.contiguous_strides();
  if (shape.numel() == 0) return true;
  int axis = shape.rank() - 1;
  int64_t run = 1, done = 1;
  for (int i = old_shape.rank() - 1; i >= 0; --i) {
    const bool first = run == 1;
    if (first) done = old_strides[i];
    run *= old_shape[i];
    // The run ends where the next outer axis does not continue it.
    if (i > 0 && (old_shape[i - 1] == 1 || old_strides[i - 1] == run * done)) continue;
    int64_t filled = 1;
    while (axis >= 0 && (filled < run || shape[axis] == 1)) {
      strides[axis] = filled * done;
      filled *= shape[axis--];
    }
    if (filled != run) return false;
    run = 1;
  }
  return axis < 0;
}
}  // namespace

Tensor Tensor::reshape(const Shape& wanted) const {
  Shape shape = wanted;
  int64_t known = 1;
  int open = -1;
  for (int i = 0; i < shape.rank(); ++i)
    if (shape[i] == -1) {
      CHECK(open < 0, "[reshape] more than one -1 in ", wanted);
      open = i;
    } else {
      known *= shape[i];
    }
  if (open >= 0 && known > 0) shape[open] = numel() / known;
  CHECK(shape.numel() == numel(), "[reshape] cannot reshape ", shape_, " to ", wanted);
  Tensor t = *this;
  if (is_contiguous()) {
    t.shape_ = shape;
    t.strides_ = shape.contiguous_strides();
    return t;
  }
  if (Shape strides; view_strides(shape_, strides_, shape, strides)) {
    t.shape_ = shape;
    t.strides_ = strides;
    return t;
  }
  return contiguous().reshape(shape);
}
Tensor Tensor::flatten(int first, int last) const {
  first = wrap_axis(first, rank(), "flatten"), last = wrap_axis(last, rank(), "flatten");
  Shape shape;
  for (int i = 0; i < rank(); ++i)
    if (i > first && i <= last)
      shape[shape.rank() - 1] *= shape_[i];
    else
      shape.push_back(shape_[i]);
  return reshape(shape);
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }
Tensor Tensor::clone() const {
  Tensor t = empty(shape_, dtype_, device_);
  t.copy_from(*this);
  return t;
}
Tensor Tensor::to(Dtype dtype) const {
  if (dtype == dtype_) return *this;
  Tensor t = empty(shape_, dtype, device_);
  t.copy_from(*this);
  return t;
}
Tensor Tensor::to(Device device) const {
  if (device == device_) return *this;
  const Tensor t = empty(shape_, dtype_, device);
  t.copy_from(*this);
  return t;
}
std::vector<double> Tensor::to_vector() const {
  const Tensor t = to(Device::cpu).to(Dtype::f64).contiguous();
  return {t.data<double>(), t.data<double>() + t.numel()};
}
double Tensor::item() const {
  CHECK(numel() == 1, "[item] tensor has shape ", shape_, ", not one element");
  return reshape({1}).to(Device::cpu).to(Dtype::f64).data<double>()[0];
}
void Tensor::fill(double value) const {
  if (numel() == 0) return;
  bump_version();
  DISPATCH(device_, fill, *this, value);
}
namespace {
// Between the host and a device, in one piece: converted and packed on the side that it comes from.
void copy_across(const Tensor& to, const Tensor& from) {
  const Tensor packed = from.to(to.dtype()).contiguous();
  const Tensor landing = to.is_contiguous() ? to : Tensor::empty(to.shape(), to.dtype(), to.device());
#ifdef KG_CUDA
  if (to.device() == Device::cuda)
    cuda::copy_to_device(landing.raw(), packed.raw(), packed.bytes());
  else
    cuda::copy_to_host(landing.raw(), packed.raw(), packed.bytes());
#endif
  if (!to.is_contiguous()) to.copy_from(landing);
}
}  // namespace
void Tensor::copy_from(const Tensor& source) const {
  CHECK(source.defined(), "[copy_from] source is undefined");
  const Tensor from = source.shape() == shape_ ? source : source.expand(shape_);
  if (numel() == 0) return;
  if (from.device() != device_) return copy_across(*this, from);
  bump_version();
  DISPATCH(device_, copy, *this, from);
}

}  // namespace kg
