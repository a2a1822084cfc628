// The log of a run: a header, then one row an iteration, written out at once. After a resume the rows behind the
// resumed iteration are cut off, so that the file ends up equal to that of a run that was never interrupted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace kg::tools {

class CsvLog {
 public:
  // `columns` follow the first one, "iteration". resume_from = -1: a new file; otherwise the rows of iterations up to
  // resume_from are kept, and a header other than this one is an Error (input).
  CsvLog(std::filesystem::path path, const std::vector<std::string>& columns, int64_t resume_from = -1);

  // One value a column, as the shortest digits that read back exactly; NaN is an empty cell.
  void row(int64_t iteration, const std::vector<double>& values);

 private:
  std::filesystem::path path_;
  size_t columns_;
  std::ofstream file_;
};

// A log read back: column by column, NaN where a cell is empty. An unfinished last row is dropped; anything else that
// is not such a log is an Error (input).
struct CsvTable {
  std::vector<std::string> columns;
  std::vector<std::vector<double>> values;  // one vector a column, equally long
};
CsvTable read_csv(const std::filesystem::path& path);

}  // namespace kg::tools
