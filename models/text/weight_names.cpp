#include "models/text/weight_names.h"

#include <algorithm>
#include <charconv>

namespace kg {

const Tensor* find_weight(const NamedTensors& weights, const std::string& name) {
  for (const auto& [other, tensor] : weights)
    if (other == name) return &tensor;
  return nullptr;
}

Shape weight_shape(const NamedTensors& weights, const std::string& name, int rank, const std::string& source) {
  const Tensor* found = find_weight(weights, name);
  CHECK_INPUT(found, source, ": the weight ", name, " is missing");
  CHECK_INPUT(found->rank() == rank, source, ": the weight ", name, " has the shape ", found->shape(), ", expected ",
              rank, " axes");
  return found->shape();
}

int64_t count_layers(const NamedTensors& weights, const std::string& prefix, const std::string& source) {
  constexpr int64_t kMost = 1000;
  int64_t layers = 0;
  for (const auto& [name, tensor] : weights) {
    if (!name.starts_with(prefix)) continue;
    int64_t number = -1;
    const char* end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + prefix.size(), end, number);
    CHECK_INPUT(error == std::errc() && at != end && *at == '.' && number >= 0 && number < kMost, source,
                ": the weight's name ", name, " has no layer number after ", prefix);
    layers = std::max(layers, number + 1);
  }
  CHECK_INPUT(layers > 0, source, ": no weight is named ", prefix, "0. ...");
  return layers;
}

}  // namespace kg
