// check: what files are, what they hold and what is wrong with them. Exit code 0 when all are good, 3 otherwise.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <sstream>

#include "tools/common/cli/cli.h"
#include "tools/common/files/file_check.h"

using namespace kg;
using namespace kg::tools;

namespace {

struct Options {
  std::vector<std::string> files;
  bool all = false, brief = false;
};

constexpr size_t kShownTensors = 40, kShownMetadata = 20, kShownText = 100;

// What a file says must not steer the terminal.
std::string plain(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = c == '\n' ? ' ' : '?';
  return text;
}

std::string counted(int64_t n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

std::string shape_text(const Shape& shape) {
  std::ostringstream stream;
  stream << shape;
  return stream.str();
}

void print_row(const StoredTensor& tensor, const ElementStatistics& s, int width) {
  std::cout << "  " << std::left << std::setw(width) << plain(tensor.name) << "  " << std::setw(5)
            << name_of(tensor.dtype) << ' ' << std::setw(18) << shape_text(tensor.shape) << std::right;
  if (s.finite > 0) std::cout << std::setw(13) << s.min << std::setw(13) << s.max;
  if (s.nans > 0) std::cout << "  " << s.nans << " NaN";
  if (s.infinities > 0) std::cout << "  " << s.infinities << " infinite";
  std::cout << '\n';
}

// Reads every tensor, shown or not: what cannot be read and what is NaN is a problem.
void check_tensors(FileReport& report, const Options& o) {
  const auto& tensors = report.contents.tensors;
  size_t width = 4, row = 0;
  for (const StoredTensor& tensor : tensors) width = std::max(width, std::min<size_t>(tensor.name.size(), 60));
  if (!o.brief && !tensors.empty())
    std::cout << "  " << std::left << std::setw(int(width)) << "tensor"
              << "  type  " << std::setw(18) << "shape" << std::right << std::setw(13) << "min" << std::setw(13)
              << "max" << '\n';
  for (const StoredTensor& tensor : tensors) {
    ElementStatistics s;
    try {
      s = statistics_of(tensor.read());
    } catch (const Error& e) {
      if (e.code != ErrorCode::input) throw;
      report.problems.push_back(e.what());
      continue;
    }
    if (s.nans > 0) report.problems.push_back("tensor " + tensor.name + " has " + std::to_string(s.nans) + " NaN");
    if (!o.brief && (o.all || row < kShownTensors)) print_row(tensor, s, int(width));
    ++row;
  }
  if (!o.brief && !o.all && row > kShownTensors) std::cout << "  ... and " << row - kShownTensors << " more (--all)\n";
}

void print_metadata(const FileReport& report, const Options& o) {
  size_t row = 0;
  for (const auto& [key, value] : report.contents.metadata) {
    if (!o.all && ++row > kShownMetadata) continue;
    const std::string shown = value.substr(0, o.all ? value.npos : kShownText);
    std::cout << "  " << plain(key) << " = " << plain(shown) << (shown.size() < value.size() ? " ..." : "") << '\n';
  }
  if (row > kShownMetadata) std::cout << "  ... and " << row - kShownMetadata << " more (--all)\n";
}

bool check(const std::filesystem::path& path, const Options& o) {
  FileReport report = check_file(path);
  int64_t elements = 0;
  for (const StoredTensor& tensor : report.contents.tensors) elements += tensor.shape.numel();
  std::cout << path.string() << ": " << (report.kind.empty() ? "not known" : report.kind);
  if (const auto n = static_cast<int64_t>(report.contents.tensors.size()); n > 0)
    std::cout << ", " << counted(n, "tensor") << ", " << counted(elements, "element");
  std::cout << '\n';
  for (const std::string& fact : report.facts) std::cout << "  " << plain(fact) << '\n';
  if (!o.brief) print_metadata(report, o);
  check_tensors(report, o);
  for (const std::string& problem : report.problems) std::cout << "  wrong: " << plain(problem) << '\n';
  std::cout << std::flush;
  return report.problems.empty();
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(argc, argv, [](int count, char** arguments) {
    Options o;
    Cli cli("check", "What files are, what they hold and what is wrong with them. Exit code 0: all good, 3: not.",
            "check net_last.pth clips/*.bvh");
    cli.group("Input");
    cli.positional("file", &o.files, "weights, checkpoints, npy, npz, BVH, captions, vocabularies")
        .required()
        .value_name("FILE");
    cli.group("Output");
    cli.add("all", &o.all, "every tensor and all metadata, else the first of them");
    cli.add("brief", &o.brief, "without the tables");
    if (!cli.parse(count, arguments)) return 0;
    bool good = true;
    for (const std::string& file : o.files) good = check(file, o) && good;
    return good ? 0 : static_cast<int>(ErrorCode::input);
  });
}
