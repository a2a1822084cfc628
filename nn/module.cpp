#include "nn/module.h"

#include <algorithm>
#include <set>

#include "nn/layout.h"

namespace kg {
namespace {
std::string join(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}
}  // namespace

void Module::check_new(const std::string& name) const {
  CHECK(!name.empty(), "[module] a parameter, buffer or child needs a name");
  const auto same = [&](const auto& entry) { return entry.first == name; };
  CHECK(std::none_of(parameters_.begin(), parameters_.end(), same) &&
            std::none_of(buffers_.begin(), buffers_.end(), same) &&
            std::none_of(children_.begin(), children_.end(), same),
        "[module] the name '", name, "' is registered twice");
}
void Module::reg(const std::string& name, Var& parameter) {
  check_new(name);
  CHECK(parameter.defined() && is_float(parameter.dtype()) && is_dense(parameter.value), "[module] parameter '", name,
        "' must be a float tensor that fills its memory without gaps");
  if (!parameter.requires_grad()) parameter = Var(parameter.value, true);
  parameters_.emplace_back(name, &parameter);
}
void Module::reg(const std::string& name, Module& child) {
  check_new(name);
  children_.emplace_back(name, &child);
}
void Module::reg_buffer(const std::string& name, Tensor& buffer, bool saved) {
  check_new(name);
  CHECK(buffer.defined() && is_dense(buffer), "[module] buffer '", name,
        "' must be a tensor that fills its memory without gaps");
  if (saved)
    buffers_.emplace_back(name, &buffer);
  else
    unsaved_.push_back(&buffer);
}

void Module::collect(const std::string& prefix, NamedParameters* parameters, NamedBuffers* buffers) const {
  if (parameters)
    for (const auto& [name, parameter] : parameters_) parameters->emplace_back(join(prefix, name), parameter);
  if (buffers)
    for (const auto& [name, buffer] : buffers_) buffers->emplace_back(join(prefix, name), buffer);
  for (const auto& [name, child] : children_) child->collect(join(prefix, name), parameters, buffers);
}
void Module::collect_state(const std::string& prefix, NamedTensors& state) const {
  for (const auto& [name, parameter] : parameters_) state.emplace_back(join(prefix, name), parameter->value);
  for (const auto& [name, buffer] : buffers_) state.emplace_back(join(prefix, name), *buffer);
  for (const auto& [name, child] : children_) child->collect_state(join(prefix, name), state);
}

NamedParameters Module::named_parameters() const {
  NamedParameters all, unique;
  collect("", &all, nullptr);
  std::set<const Var*> seen;
  for (const auto& entry : all)
    if (seen.insert(entry.second).second) unique.push_back(entry);
  return unique;
}
NamedBuffers Module::named_buffers() const {
  NamedBuffers all;
  collect("", nullptr, &all);
  return all;
}
int64_t Module::parameter_count() const {
  int64_t count = 0;
  for (const auto& [name, parameter] : named_parameters()) count += parameter->numel();
  return count;
}

NamedTensors Module::state_dict() const {
  NamedTensors state;
  collect_state("", state);
  return state;
}
void Module::load_state_dict(const NamedTensors& entries, const std::string& source) {
  load_strict(state_dict(), entries, source);
}

void Module::train(bool on) {
  training_ = on;
  for (const auto& [name, child] : children_) child->train(on);
}
void Module::set_requires_grad(bool on) {
  for (const auto& [name, parameter] : named_parameters()) parameter->meta->requires_grad = on;
}
// Every tensor in the layout that it has.
void Module::convert(Dtype dtype, Device device, bool keep_dtype) {
  const auto convert_tensor = [&](Tensor& t) {
    const Dtype to = keep_dtype || !is_float(t.dtype()) ? t.dtype() : dtype;
    const Device where = keep_dtype ? device : t.device();
    if (t.dtype() == to && t.device() == where) return;
    const Tensor converted = cut_like(Tensor::empty({t.numel()}, to, where), 0, t);
    converted.copy_from(t);
    t = converted;
  };
  for (const auto& [name, parameter] : parameters_) {
    convert_tensor(parameter->value);
    parameter->meta->drop_grad();
  }
  for (const auto& [name, buffer] : buffers_) convert_tensor(*buffer);
  for (Tensor* buffer : unsaved_) convert_tensor(*buffer);
  for (const auto& [name, child] : children_) child->convert(dtype, device, keep_dtype);
}
void Module::to(Dtype dtype) {
  CHECK(is_float(dtype), "[module] to() takes a float dtype, got ", name_of(dtype));
  convert(dtype, Device::cpu, false);
}
void Module::to(Device device) { convert(Dtype::f32, device, true); }
const Var* Module::first_parameter() const {
  if (!parameters_.empty()) return parameters_[0].second;
  for (const auto& [name, child] : children_)
    if (const Var* found = child->first_parameter()) return found;
  return nullptr;
}
Device Module::device() const {
  const Var* first = first_parameter();
  return first ? first->value.device() : Device::cpu;
}
Dtype Module::dtype() const {
  const Var* first = first_parameter();
  return first ? first->dtype() : Dtype::f32;
}

}  // namespace kg
