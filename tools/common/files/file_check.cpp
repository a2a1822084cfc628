#include "tools/common/files/file_check.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/formats/bvh.h"
#include "data/formats/checkpoint.h"
#include "data/formats/elements.h"
#include "data/formats/file.h"
#include "data/formats/npy.h"
#include "data/formats/pickle.h"
#include "data/formats/torch_archive.h"
#include "data/formats/weights.h"
#include "data/sets/captions.h"
#include "data/text/clip_bpe.h"
#include "data/text/unigram.h"
#include "data/text/wordpiece.h"

namespace kg::tools {
namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMaxText = 256 << 20;

template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

void check_weights(const fs::path& path, WeightsKind kind, FileReport& report) {
  report.kind = name_of(kind);
  if (kind == WeightsKind::torch) {
    TorchArchive archive = open_torch_archive(path);
    if (!archive.sections.empty()) report.facts.push_back("sections: " + joined(archive.sections));
    report.contents = std::move(archive.all);
  } else {
    report.contents = open_weights(path);
  }
  if (!report.contents.metadata.contains(kCheckpointFormat)) return;
  const auto model = report.contents.metadata.find(kCheckpointKind);
  report.kind =
      text("checkpoint of a ", model == report.contents.metadata.end() ? "model without a name" : model->second);
  read_checkpoint(path, "");  // verifies the checksum
  report.facts.push_back("its checksum is right");
}

void check_array(const fs::path& path, FileReport& report) {
  report.kind = "NumPy array";
  report.contents = stored(TensorFile{{{"array", read_npy(path)}}, {}});
}

void check_bvh(const fs::path& path, FileReport& report) {
  report.kind = "BVH motion";
  const Bvh bvh = read_bvh(path);
  report.facts.push_back(text(bvh.joints.size(), " joints (with end sites), ", bvh.channels, " channels"));
  report.facts.push_back(
      text(bvh.frames, " frames, ", 1 / bvh.frame_time, " a second, ", bvh.frames * bvh.frame_time, " s"));
  if (bvh.frames == 0) report.problems.push_back("it has no frames");
}

void check_pickle(const fs::path& path, FileReport& report) {
  report.kind = "pickle";
  const Pickle pickle = read_pickle(path);
  const size_t items = pickle.root->items.size();
  const bool dict = pickle.root->kind == PickleValue::Kind::dict;
  report.facts.push_back(
      text("a ", name_of(pickle.root->kind), " with ", dict ? items / 2 : items, dict ? " keys" : " items"));
}

// A line is `caption#word/TAG ...#start#end` in the files of HumanML3D, cells between tabs in a table of captures.
bool looks_like_captions(const std::string& content) {
  return std::count(content.begin(), content.begin() + std::min(content.find('\n'), content.size()), '#') == 3;
}

void check_captions(const fs::path& path, const std::string& content, FileReport& report) {
  report.kind = "captions of a motion";
  const std::vector<Caption> captions = parse_captions(content, path.string(), &report.problems);
  report.facts.push_back(text(captions.size(), " captions"));
  if (captions.empty()) report.problems.push_back("it has no caption");
}

void check_table(const fs::path& path, const std::string& content, FileReport& report) {
  report.kind = "table of captions";
  report.facts.push_back(text(parse_caption_table(content, path.string()).size(), " captions"));
}

void add_ids(const Tokenizer& tokenizer, FileReport& report) { report.facts.push_back(text(tokenizer.size(), " ids")); }

void check_json(const fs::path& path, FileReport& report) {
  report.kind = "JSON";
  const nlohmann::json json = parse_json(read_vocabulary(path.string()));
  if (!json.is_object()) return report.problems.push_back("it is no object; no file of this project is so");
  const auto model = json.find("model");
  const std::string type = model != json.end() && model->is_object() ? model->value("type", "") : "";
  if (type == "BPE") {
    report.kind = "CLIP's tokenizer";
    add_ids(ClipTokenizer::open(path.string()), report);
  } else if (type == "WordPiece") {
    report.kind = "BERT's tokenizer (WordPiece)";
    add_ids(WordPieceTokenizer::open(path.string()), report);
  } else if (path.filename() == "vocab.json") {
    report.kind = "CLIP's vocabulary";
    add_ids(ClipTokenizer::open(path.string()), report);
  } else {
    report.kind = "JSON (a configuration?)";
    report.facts.push_back(text(json.size(), " keys"));
  }
}

// By the name where the content is any text.
void check_text(const fs::path& path, FileReport& report) {
  const std::string content = read_file(path, kMaxText), extension = path.extension().string();
  if (extension == ".tsv") return check_table(path, content, report);
  if (looks_like_captions(content)) return check_captions(path, content, report);
  if (content.find("[UNK]\n") != content.npos || content.find("[UNK]\r\n") != content.npos) {
    report.kind = "BERT's vocabulary (WordPiece)";
    return add_ids(WordPieceTokenizer::open(path.string()), report);
  }
  if (extension == ".txt" || extension == ".csv" || extension == ".jsonl") {
    report.kind = "text";
    report.facts.push_back(text(std::count(content.begin(), content.end(), '\n'), " lines"));
  }
}

void check_known(const fs::path& path, FileReport& report) {
  if (const WeightsKind kind = weights_kind(path); kind != WeightsKind::unknown)
    return check_weights(path, kind, report);
  std::string head(512, '\0');
  std::ifstream file(path, std::ios::binary);
  head.resize(static_cast<size_t>(file.read(head.data(), static_cast<std::streamsize>(head.size())).gcount()));
  const std::string extension = path.extension().string();
  const size_t first = std::min(head.find_first_not_of(" \t\r\n"), head.size());
  if (head.starts_with("\x93NUMPY")) return check_array(path, report);
  if (head.starts_with("HIERARCHY")) return check_bvh(path, report);
  if (extension == ".pkl" || extension == ".pickle" || (head.starts_with("\x80") && !head.empty()))
    return check_pickle(path, report);
  if (head.starts_with("\x1f\x8b")) {
    report.kind = "CLIP's merges";
    return add_ids(ClipTokenizer::open(path.string()), report);
  }
  if (extension == ".model") {
    report.kind = "SentencePiece model (T5)";
    return add_ids(UnigramTokenizer::open(path.string()), report);
  }
  if (const std::string foreign = foreign_content(head); !foreign.empty()) return report.problems.push_back(foreign);
  if (extension == ".json" || (head.substr(first).starts_with("{") && extension != ".jsonl"))
    return check_json(path, report);
  check_text(path, report);
  if (report.kind.empty())
    report.problems.push_back(
        "not a file that is known here (weights: safetensors, its index, .pt .pth .bin .ckpt, npz; npy; BVH; captions; "
        "pickles; vocabularies of CLIP, BERT, T5)");
}

template <class T>
ElementStatistics statistics_over(const Tensor& tensor) {
  ElementStatistics s;
  s.min = std::numeric_limits<double>::infinity();
  s.max = -s.min;
  const T* x = tensor.data<T>();
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    const auto value = static_cast<double>(x[i]);
    if (std::isfinite(value)) {
      ++s.finite;
      s.min = std::min(s.min, value);
      s.max = std::max(s.max, value);
    } else {
      ++(std::isnan(value) ? s.nans : s.infinities);
    }
  }
  return s;
}

}  // namespace

FileReport check_file(const fs::path& path) {
  FileReport report;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    report.problems.push_back(
        "a folder: only files are checked so far; name those of weights, motions or captions in it");
    return report;
  }
  try {
    check_known(path, report);
  } catch (const Error& e) {
    if (e.code != ErrorCode::input) throw;
    report.problems.push_back(e.what());
  }
  return report;
}

ElementStatistics statistics_of(const Tensor& tensor) {
  const Tensor packed = (tensor.dtype() == Dtype::bf16 ? tensor.to(Dtype::f32) : tensor).contiguous();
  switch (packed.dtype()) {
    case Dtype::f64:
      return statistics_over<double>(packed);
    case Dtype::i32:
      return statistics_over<int32_t>(packed);
    case Dtype::u8:
      return statistics_over<uint8_t>(packed);
    default:
      return statistics_over<float>(packed);
  }
}

}  // namespace kg::tools
