// Looking through the named tensors of a weights file: what is there, of which shape, how many layers.
#pragma once

#include "nn/state.h"

namespace kg {

const Tensor* find_weight(const NamedTensors& weights, const std::string& name);  // nullptr if it is not there
// Its shape, of `rank` extents; an Error (input) when it is missing or of another rank.
Shape weight_shape(const NamedTensors& weights, const std::string& name, int rank, const std::string& source);
// 1 + the largest N of the names PREFIX N . REST; an Error (input) when there is none.
int64_t count_layers(const NamedTensors& weights, const std::string& prefix, const std::string& source);

}  // namespace kg
