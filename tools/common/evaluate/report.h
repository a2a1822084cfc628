// The table of an evaluation: a row a metric, with the model, the ground truth and a random control beside each other,
// further controls, the published value with its source, and how many items and repeats stand behind it. Shown as
// aligned text, Markdown, CSV and JSON. Columns that no row fills are left out of text and Markdown; sources and notes
// are footnotes there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "models/metrics/statistics.h"

namespace kg::tools {

struct ReportRow {
  std::string group = {};                        // "generation": rows of one group stand under its name
  std::string name = {};                         // "FID"
  Interval model = {}, truth = {}, random = {};  // a mean of NaN: not measured
  int64_t items = 0, repeats = 0;
  Interval published = {};  // only where the protocol is the same
  std::string source = {};  // of the published value
  std::string note = {};    // a fallback, what the number means
  int decimals = 3;
  std::vector<std::pair<std::string, Interval>> controls = {};  // further ones by name, a column each
};

struct Report {
  std::string title = {};
  std::vector<std::pair<std::string, std::string>> facts = {};  // "model": "out/gpt", above the table
  std::vector<ReportRow> rows = {};
  std::vector<std::string> notes = {};  // what was left out and why, below it

  std::string text() const;
  std::string markdown() const;
  std::string csv() const;
  nlohmann::ordered_json json() const;
};

// report.md, report.csv and report.json in the folder, which is made where it is missing.
void write_report(const std::filesystem::path& folder, const Report& report);

}  // namespace kg::tools
