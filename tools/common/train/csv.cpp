// Writing rows, cutting a log back to an iteration, and reading it.
#include "tools/common/train/csv.h"

#include <charconv>
#include <cmath>
#include <string_view>

#include "data/formats/file.h"
#include "tensor/error.h"

namespace kg::tools {

namespace {

constexpr uint64_t kMaxLogBytes = uint64_t(1) << 32;

// The part of `text` (header and rows) up to iteration `last`. An unfinished row at the end is dropped.
std::string_view rows_until(std::string_view text, const std::string& header, int64_t last, const std::string& path) {
  CHECK_INPUT(text.substr(0, header.size()) == header, "[log] ", path, ": the header is not the expected '",
              header.substr(0, header.size() - 1), "'; the log is of another program or version");
  size_t end = header.size();
  for (int64_t line = 2;; ++line) {
    const size_t newline = text.find('\n', end);
    if (newline == std::string_view::npos) return text.substr(0, end);
    int64_t iteration = 0;
    const auto [stop, error] = std::from_chars(text.data() + end, text.data() + newline, iteration);
    CHECK_INPUT(error == std::errc() && (*stop == ',' || *stop == '\n'), "[log] ", path, " line ", line,
                ": a row begins with the iteration, an integer; mend or remove the line");
    if (iteration > last) return text.substr(0, end);
    end = newline + 1;
  }
}

std::vector<std::string_view> cells_of(std::string_view line) {
  std::vector<std::string_view> cells;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(',', begin), line.size());
    cells.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return cells;
}

}  // namespace

CsvLog::CsvLog(std::filesystem::path path, const std::vector<std::string>& columns, int64_t resume_from)
    : path_(std::move(path)), columns_(columns.size()) {
  std::string header = "iteration";
  for (const std::string& column : columns) header += "," + column;
  header += "\n";
  if (resume_from < 0) {
    write_file_atomically(path_, header);
  } else {
    const std::string text = read_file(path_, kMaxLogBytes);
    write_file_atomically(path_, rows_until(text, header, resume_from, path_.string()));
  }
  file_.open(path_, std::ios::binary | std::ios::app);
  CHECK(file_.good(), "[log] ", path_.string(), ": cannot be opened for writing");
}

void CsvLog::row(int64_t iteration, const std::vector<double>& values) {
  CHECK(values.size() == columns_, "[log] ", path_.string(), ": a row has ", columns_, " values, got ", values.size());
  std::string text = std::to_string(iteration);
  for (const double value : values) {
    char digits[32];
    text += ",";
    if (!std::isnan(value)) text.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
  }
  file_ << text << '\n' << std::flush;
  CHECK(file_.good(), "[log] ", path_.string(), ": cannot be written (disk full?) at iteration ", iteration);
}

CsvTable read_csv(const std::filesystem::path& path) {
  const std::string file = read_file(path, kMaxLogBytes);
  const std::string_view text(file);
  size_t end = text.find('\n');
  CHECK_INPUT(end != std::string_view::npos && end > 0, "[log] ", path.string(), ": expected a line of column names");
  CsvTable table;
  for (const std::string_view name : cells_of(text.substr(0, end))) table.columns.emplace_back(name);
  table.values.resize(table.columns.size());
  for (int64_t line = 2;; ++line) {
    const size_t begin = end + 1;
    end = text.find('\n', begin);
    if (end == std::string_view::npos) return table;
    const std::vector<std::string_view> cells = cells_of(text.substr(begin, end - begin));
    CHECK_INPUT(cells.size() == table.columns.size(), "[log] ", path.string(), " line ", line, ": ", cells.size(),
                " cells, the header names ", table.columns.size());
    for (size_t c = 0; c < cells.size(); ++c) {
      double value = std::nan("");
      const char* stop = cells[c].data() + cells[c].size();
      const auto [read, error] = std::from_chars(cells[c].data(), stop, value);
      CHECK_INPUT(cells[c].empty() || (error == std::errc() && read == stop), "[log] ", path.string(), " line ", line,
                  ": '", cells[c], "' in column ", table.columns[c], " is no number");
      table.values[c].push_back(value);
    }
  }
}

}  // namespace kg::tools
