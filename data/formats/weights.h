// Weights in the files that everyone has: safetensors, in one file or in shards with an index, PyTorch's archives
// (torch_archive.h) and npz. What a file is, its content says, not its name. Git LFS pointers, web pages, files that
// are cut off: an Error (input) says so and what to do.
#pragma once

#include <filesystem>
#include <string>

#include "data/formats/stored.h"

namespace kg {

enum class WeightsKind { unknown, safetensors, shards, torch, npz };

// By the first bytes and, of a zip archive, its members. `unknown` for anything else that can be read.
WeightsKind weights_kind(const std::filesystem::path& path);
const char* name_of(WeightsKind kind);

// A file, an index (model.safetensors.index.json) or a folder that holds weights under their usual name. `section`: see
// section_of() in torch_archive.h; for the other kinds, the tensors whose names begin with "SECTION.", without it.
// Elements are read on demand. PyTorch's archives and npz are in memory as a whole meanwhile.
StoredFile open_weights(const std::filesystem::path& path, const std::string& section = "");
TensorFile read_weights(const std::filesystem::path& path, const std::string& section = "");

// The index of a sharded file: {"weight_map": {name: file, ...}}, files beside it, each name once.
std::map<std::string, std::string> parse_shard_index(std::string_view json, const std::string& name);

}  // namespace kg
