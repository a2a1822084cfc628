// FlatParameters: moves the values and gradients of parameters into one flat buffer each, so that zeroing, clipping, an
// optimizer step and averaging are one call. The parameters become views of it, each in the memory layout that it had.
// A parameter starts at a multiple of 16 elements (64 bytes of f32); the gaps stay 0 and change no sum.
// To compute in bf16 the flat values and gradients stay f32 and the parameters become views of a rounded copy of the
// values, which every step of the optimizer renews.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/module.h"

namespace kg {

// Parameters that are optimised alike. Frozen ones are left out.
struct ParameterGroup {
  NamedParameters parameters;
  double weight_decay = 0;
  double lr_scale = 1;
};

class FlatParameters {
 public:
  // `compute` is the parameters' own dtype, or bf16 for parameters that are f32.
  explicit FlatParameters(const std::vector<ParameterGroup>& groups, std::optional<Dtype> compute = {});
  FlatParameters(const FlatParameters&) = delete;
  FlatParameters& operator=(const FlatParameters&) = delete;

  const Tensor& values() const { return values_; }  // (n), the gaps included
  const Tensor& gradients() const;                  // (n), 0 where backward has not come by since clear_gradients()
  // Sets the gradients to 0 without writing them: the first to arrive at a parameter overwrites what is there.
  void clear_gradients() const;
  const Tensor& working() const { return working_; }  // the bf16 copy (n); undefined when there is none
  // Points the parameters at the f32 values, to be saved or loaded, or back at the rounded copy, renewing it.
  void use_values(bool on) const;

  struct Range {
    int64_t begin, end;
    double weight_decay, lr_scale;
  };
  const std::vector<Range>& groups() const { return groups_; }  // one for each group, in the order given

  // A buffer of the same form (moments, averages), cut into the parameters' shapes under prefix + name.
  NamedTensors cut(const Tensor& flat, const std::string& prefix = "") const;
  // Name of the first parameter whose part of `flat` holds an infinity or NaN; empty if none does.
  std::string first_not_finite(const Tensor& flat) const;
  // Throws if a parameter or its gradient has been moved out of the buffers.
  void check_bound() const;

 private:
  struct Entry {
    std::string name;
    Var* parameter;
    int64_t begin;
  };
  void add(const std::string& name, Var* parameter, int64_t begin);

  std::vector<Entry> entries_;
  std::vector<Range> groups_;
  Tensor values_, gradients_, working_;
};

}  // namespace kg
