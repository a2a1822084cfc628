// NumPy's archive of named arrays: a zip of npy files. Stored and compressed archives are read, stored ones written.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "tensor/tensor.h"

namespace kg {

std::map<std::string, Tensor> read_npz(const std::filesystem::path& path);
std::map<std::string, Tensor> read_npz_bytes(std::string_view bytes, const std::string& name);

void write_npz(const std::filesystem::path& path, const std::map<std::string, Tensor>& arrays);

}  // namespace kg
