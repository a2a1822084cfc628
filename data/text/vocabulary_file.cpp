#include "data/text/vocabulary_file.h"

#include <zlib.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/formats/elements.h"
#include "data/formats/file.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr size_t kMaxVocabularyBytes = size_t{64} << 20;

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

void place(std::vector<std::string>& pieces, const std::string& piece, const nlohmann::json& id,
           const std::string& name) {
  CHECK_INPUT(id.is_number_unsigned(), name, ": the id of \"", piece, "\" must be a whole number from 0, is ",
              id.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  const auto at = id.get<uint64_t>();
  CHECK_INPUT(at < pieces.size(), name, ": the id of \"", piece, "\" is ", at, ", but there are only ", pieces.size(),
              " pieces");
  CHECK_INPUT(pieces[at].empty() || pieces[at] == piece, name, ": id ", at, " is given to \"", pieces[at],
              "\" and to \"", piece, "\"");
  pieces[at] = piece;
}

}  // namespace

NamedBytes read_vocabulary(const std::string& path) {
  NamedBytes file{path, read_file(path, kMaxVocabularyBytes)};
  if (is_gzip(file.bytes)) {
    file.bytes = gunzip(file.bytes, path);
  } else {
    const std::string foreign = foreign_content(file.bytes);
    CHECK_INPUT(foreign.empty(), path, ": expected a vocabulary, but ", foreign);
  }
  return file;
}

const NamedBytes* find_file(const std::vector<NamedBytes>& files, std::string_view name) {
  for (const NamedBytes& file : files)
    if (std::filesystem::path(file.name).filename() == name) return &file;
  return nullptr;
}

std::string gunzip(std::string_view packed, const std::string& name) {
  CHECK_INPUT(packed.size() <= kMaxVocabularyBytes, name, ": the file is longer than ", kMaxVocabularyBytes, " bytes");
  std::string bytes;
  z_stream stream{};
  constexpr int kGzip = 16;  // zlib: added to the window bits, a gzip header is expected
  CHECK(inflateInit2(&stream, MAX_WBITS + kGzip) == Z_OK, "[gunzip] zlib cannot start");
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int status = Z_OK;
  while (status == Z_OK && bytes.size() <= kMaxVocabularyBytes) {
    char piece[1 << 14];
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    status = inflate(&stream, Z_NO_FLUSH);  // checks the CRC at the end
    bytes.append(piece, sizeof piece - stream.avail_out);
  }
  inflateEnd(&stream);
  CHECK_INPUT(bytes.size() <= kMaxVocabularyBytes, name, ": unpacks to more than ", kMaxVocabularyBytes,
              " bytes, which no vocabulary has");
  CHECK_INPUT(status == Z_STREAM_END, name, ": does not unpack: the file is cut off or damaged after ", stream.total_in,
              " bytes; fetch it again");
  return bytes;
}

nlohmann::json parse_json(const NamedBytes& file) {
  try {
    return nlohmann::json::parse(file.bytes);
  } catch (const nlohmann::json::parse_error& error) {
    fail(ErrorCode::input, file.name, ": not JSON: wrong at byte ", error.byte, " of ", file.bytes.size());
  } catch (const nlohmann::json::exception&) {
    fail(ErrorCode::input, file.name, ": not JSON: has a number that is too large");
  }
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::vector<std::string> pieces_from_json(const nlohmann::json& ids, const std::string& name) {
  CHECK_INPUT(ids.is_object() && !ids.empty(), name, ": expected {\"piece\": id, ...}");
  std::vector<std::string> pieces(ids.size());
  for (const auto& [piece, id] : ids.items()) {
    CHECK_INPUT(!piece.empty(), name, ": there is an empty piece");
    place(pieces, piece, id, name);
  }
  return pieces;  // as many as there are ids, no two at one place: none is empty
}

TokenizerJson read_tokenizer_json(const nlohmann::json& json, const std::string& type, const std::string& name) {
  CHECK_INPUT(
      json.is_object() && json.contains("model") && json["model"].is_object() && json["model"].contains("vocab"), name,
      ": has no model.vocab; expected a tokenizer.json");
  const nlohmann::json& model = json["model"];
  // Files of early versions do not name the type of a BPE.
  const std::string found = model.contains("type")     ? model["type"].dump()
                            : model.contains("merges") ? "\"BPE\""
                                                       : "\"\"";
  CHECK_INPUT(found == '"' + type + '"', name, ": the model is of type ", found, ", expected \"", type, '"');
  TokenizerJson tokenizer;
  tokenizer.pieces = pieces_from_json(model["vocab"], name);
  if (!json.contains("added_tokens")) return tokenizer;
  CHECK_INPUT(json["added_tokens"].is_array(), name, ": added_tokens must be a list");
  // Usually these are pieces of the model as well.
  for (const nlohmann::json& token : json["added_tokens"]) {
    CHECK_INPUT(token.is_object() && token.contains("id") && token.contains("content") && token["content"].is_string(),
                name, ": every one of added_tokens must have an id and a content");
    const auto content = token["content"].get<std::string>();
    CHECK_INPUT(!content.empty(), name, ": there is an empty added token");
    if (token["id"] == tokenizer.pieces.size()) tokenizer.pieces.emplace_back();
    place(tokenizer.pieces, content, token["id"], name);
    tokenizer.added.emplace(content, token["id"].get<int>());
  }
  return tokenizer;
}

}  // namespace kg
