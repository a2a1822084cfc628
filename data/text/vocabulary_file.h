// Vocabulary files as they lie beside pretrained weights: whole, or unpacked from gzip; JSON; pieces in the order of
// their ids. What does not fit is an Error (input) with the file's name.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace kg {

// Shown with the name of the file in every error.
struct NamedBytes {
  std::string name, bytes;
};

// At most 64 MiB, also unpacked. Files that are something else (a Git LFS pointer, a web page) are told apart.
NamedBytes read_vocabulary(const std::string& path);
// Of the files of one tokenizer, the one of this name in whatever folder; nullptr if there is none.
const NamedBytes* find_file(const std::vector<NamedBytes>& files, std::string_view name);
std::string gunzip(std::string_view packed, const std::string& name);

nlohmann::json parse_json(const NamedBytes& file);

// Lines without their ends; the last one may lack it.
std::vector<std::string_view> split_lines(std::string_view text);

// {"piece": id, ...}: the ids must be 0 ... n - 1, each once.
std::vector<std::string> pieces_from_json(const nlohmann::json& ids, const std::string& name);
// The `model` of a tokenizer.json, which must be of this type ("BPE", "WordPiece"), and its pieces with `added_tokens`.
struct TokenizerJson {
  std::vector<std::string> pieces;
  std::map<std::string, int> added;
};
TokenizerJson read_tokenizer_json(const nlohmann::json& json, const std::string& type, const std::string& name);

}  // namespace kg
