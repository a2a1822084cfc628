// Text inside pickles: which names they may hold, and the spellings of strings in their oldest protocol.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kg {

// Whether a pickle may name this class or function ("collections.OrderedDict"): containers and plain values of Python,
// arrays of NumPy, tensors and storages of PyTorch, classes of a TorchScript archive, the settings that PyTorch
// Lightning and OmegaConf leave in checkpoints. All of them are data here.
bool pickle_may_name(std::string_view name);

// A module under its name in Python 3 and NumPy 1: __builtin__ is builtins, numpy._core is numpy.core.
std::string python3_module(std::string_view module);

// A string as Python 2's repr writes it, with quotes and escapes; nothing where it is not one.
std::optional<std::string> python_string(std::string_view text);
// Latin-1 with \uXXXX and \UXXXXXXXX for other characters, to UTF-8; nothing where an escape is bad.
std::optional<std::string> python_unicode(std::string_view text);
// UTF-8 to a byte a character; nothing where a character is beyond 255.
std::optional<std::string> latin1(std::string_view text);

}  // namespace kg
