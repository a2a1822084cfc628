// A checkpoint: a safetensors file whose metadata carries the format's version, the kind of model and a checksum of
// everything else, so that a damaged file or one of another program is an error and never a strange model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "data/formats/safetensors.h"

namespace kg {

// Metadata keys; write_checkpoint sets them, read_checkpoint leaves them in place.
inline constexpr const char* kCheckpointFormat = "kinegrad.format";
inline constexpr const char* kCheckpointKind = "kinegrad.kind";
inline constexpr const char* kCheckpointChecksum = "kinegrad.checksum";

// `kind` says what the file holds ("vqvae", "t2m_gpt"). Atomic and synced; the same content gives the same bytes.
void write_checkpoint(const std::filesystem::path& path, const std::string& kind, TensorFile file);

// Verifies format, kind (an empty one accepts every kind) and checksum.
TensorFile read_checkpoint(const std::filesystem::path& path, const std::string& kind);

// What a checkpoint holds, by its metadata alone. Error (input) for a file that is none.
std::string checkpoint_kind(const std::filesystem::path& path);

// Covers names, types, shapes, elements and metadata, the checksum's own key excepted. A change of one 8-byte word is
// always found.
uint64_t content_checksum(const TensorFile& file);

// What --model takes: a checkpoint file, or a run folder (its best checkpoint, else its last). Error (input) otherwise.
std::filesystem::path find_checkpoint(const std::filesystem::path& model);

}  // namespace kg
