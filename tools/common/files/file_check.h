// What a file is, what it holds and what is wrong with it: weights, checkpoints, arrays, motions, captions,
// vocabularies. Told by the content, and by the name only where text formats are alike.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/formats/stored.h"

namespace kg::tools {

struct FileReport {
  std::string kind;                   // "PyTorch archive"; empty where it is not known
  std::vector<std::string> facts;     // a line each
  StoredFile contents;                // tensors and metadata
  std::vector<std::string> problems;  // a line each; none: the file is good
};

FileReport check_file(const std::filesystem::path& path);

// Of a tensor's elements; min and max of the finite ones.
struct ElementStatistics {
  int64_t nans = 0, infinities = 0, finite = 0;
  double min = 0, max = 0;
};
ElementStatistics statistics_of(const Tensor& tensor);

}  // namespace kg::tools
