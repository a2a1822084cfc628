#include "tensor/trace.h"

#include <algorithm>
#include <exception>
#include <map>
#include <sstream>
#include <string_view>

#include "tensor/device.h"
#include "tensor/stopwatch.h"

namespace kg {
namespace {

using Operands = std::vector<OpRecord::Operand>;

double count(const Operands& o, size_t i) { return double(o.at(i).shape.numel()); }
double extent(const Operands& o, size_t i, int axis) {
  const Shape& shape = o.at(i).shape;
  return double(shape[axis < 0 ? shape.rank() + axis : axis]);
}
double taps(const Operands& o, size_t weight) { return extent(o, weight, 1) * extent(o, weight, 2); }

// A product and a sum each, from the operands in the order of the kernel's signature.
const std::map<std::string_view, double (*)(const Operands&)> kProducts{
    {"matmul_forward", [](const Operands& o) { return 2 * count(o, 0) * extent(o, 1, -1); }},
    {"matmul_into_forward", [](const Operands& o) { return 2 * count(o, 0) * extent(o, 1, -1); }},
    {"linear_forward", [](const Operands& o) { return 2 * count(o, 0) * extent(o, 1, -1); }},
    {"linear_rows_forward",  // and the gate's
     [](const Operands& o) { return (o.at(6).bytes > 0 ? 4 : 2) * count(o, 0) * extent(o, 1, -1); }},
    {"project_rows_forward",
     [](const Operands& o) { return 2 * extent(o, 3, 0) * (count(o, 6) + count(o, 8) + count(o, 10)); }},
    {"linear_backward_weight", [](const Operands& o) { return 2 * count(o, 0) * extent(o, 2, 0); }},
    {"conv1d_forward", [](const Operands& o) { return 2 * count(o, 0) * taps(o, 2); }},
    {"conv1d_backward_input", [](const Operands& o) { return 2 * count(o, 1) * taps(o, 2); }},
    {"conv1d_backward_weight", [](const Operands& o) { return 2 * count(o, 1) * taps(o, 0); }},
    {"attention_forward", [](const Operands& o) { return 4 * count(o, 1) * extent(o, 2, -1); }},
    {"attention_backward", [](const Operands& o) { return 8 * count(o, 8) * extent(o, 5, -1); }},
    {"nearest_code_forward", [](const Operands& o) { return 2 * count(o, 1) * extent(o, 2, 0); }},
};

// Operands that are read and written, where memory is the bound.
const std::map<std::string_view, std::vector<size_t>> kChanged{
    {"adam_step", {0, 2, 3}}, {"add_inplace", {0}},       {"scale_inplace", {0}},      {"lerp_inplace", {0}},
    {"update_codebook", {0}}, {"index_add_inplace", {0}}, {"scatter_add_inplace", {0}}};

}  // namespace

constinit thread_local OpTrace* OpTrace::active_ = nullptr;

std::string OpRecord::name() const {
  std::string text = kernel;
  for (const auto& [ending, instead] : {std::pair<std::string_view, const char*>{"_forward", ""}, {"_inplace", "_"}})
    if (text.ends_with(ending)) return text.substr(0, text.size() - ending.size()) + instead;
  return text;
}

std::string OpRecord::shapes() const {
  std::ostringstream text;
  for (const Operand& o : operands) {
    if (o.bytes == 0) continue;
    if (text.tellp() > 0) text << ", ";
    if (o.shape.rank() == 0) text << "1";
    for (int i = 0; i < o.shape.rank(); ++i) text << (i ? "x" : "") << o.shape[i];
    if (o.dtype != Dtype::f32) text << " " << name_of(o.dtype);
  }
  return text.str();
}

double OpRecord::flops() const {
  const auto found = kProducts.find(kernel);
  return found == kProducts.end() ? 0 : found->second(operands);
}

double OpRecord::bytes() const {
  double total = 0;
  for (const Operand& o : operands) total += o.bytes;
  if (const auto found = kChanged.find(kernel); found != kChanged.end())
    for (const size_t i : found->second) total += operands.at(i).bytes;
  const std::string_view op = kernel;  // of a table, no more is read than what is taken from it
  if (op == "index_select_forward" || op == "gather_forward")
    total += std::min(0.0, operands.at(0).bytes - operands.at(1).bytes);
  if (op == "project_rows_forward")  // of the caches, one position
    total += 2 * operands.at(0).bytes - operands.at(1).bytes - operands.at(2).bytes;
  return total;
}

void OpTimer::add_operand(const Tensor& t) {
  OpRecord::Operand o;
  if (t.defined()) {
    o = {t.shape(), t.dtype(), double(size_of(t.dtype()))};
    for (int i = 0; i < t.rank(); ++i)
      if (t.strides()[i] != 0 || t.shape()[i] == 0) o.bytes *= double(t.shape()[i]);
  }
  record_.operands.push_back(o);
}

void OpTimer::start() {
  OpTrace::active_ = nullptr;
  synchronize(device_);
  begin_ = clock_seconds();
}

OpTimer::~OpTimer() noexcept(false) {
  OpTrace::active_ = &trace_;
  if (std::uncaught_exceptions() > 0) return;  // the kernel failed
  synchronize(device_);
  record_.seconds = clock_seconds() - begin_;
  trace_.records_.push_back(std::move(record_));
}

}  // namespace kg
