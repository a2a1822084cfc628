// Named tensors: the state of a module, an optimizer or an average, on its way to a file or back.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace kg {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// Copies entries into the tensors of `own` by name, converting between float types. Strict: every name must be there,
// none more, with the same shape. Otherwise an Error (input) with a table of what does not fit, and nothing is changed.
// `source` names the file in it.
void load_strict(const NamedTensors& own, const NamedTensors& entries, const std::string& source);

}  // namespace kg
