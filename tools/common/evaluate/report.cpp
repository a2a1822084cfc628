// The four forms of a report. Text and Markdown lay out the same cells.
#include "tools/common/evaluate/report.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/formats/file.h"
#include "tensor/error.h"
#include "tools/common/train/run_folder.h"

namespace kg::tools {
namespace {

std::string fixed(double value, int decimals) {
  char digits[64];
  const auto [end, error] = std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::fixed, decimals);
  if (error == std::errc()) return {digits, end};
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};  // hundreds of digits long
}

std::string exact(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

std::string value_text(const Interval& value, int decimals) {
  if (std::isnan(value.mean)) return "-";
  std::string text = fixed(value.mean, decimals);
  if (!std::isnan(value.half_width)) text += " ± " + fixed(value.half_width, decimals);
  return text;
}

std::string count_text(const ReportRow& row) {
  if (row.items == 0) return "-";
  return std::to_string(row.items) + (row.repeats > 1 ? " x " + std::to_string(row.repeats) : "");
}

// Cells as both layouts show them, and the footnotes that they point to.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> cells;  // a row each; empty cells of a group's title row
  std::vector<std::string> footnotes;
};

std::string footnote_mark(Table& table, const std::string& text) {
  if (text.empty()) return "";
  auto found = std::find(table.footnotes.begin(), table.footnotes.end(), text);
  if (found == table.footnotes.end()) found = table.footnotes.insert(found, text);
  return " [" + std::to_string(found - table.footnotes.begin() + 1) + "]";
}

// Names of the further controls of all rows, in their order.
std::vector<std::string> control_names(const Report& report) {
  std::vector<std::string> names;
  for (const ReportRow& row : report.rows)
    for (const auto& [name, value] : row.controls)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  return names;
}
Interval control_named(const ReportRow& row, const std::string& name) {
  for (const auto& [own, value] : row.controls)
    if (own == name) return value;
  return {};
}

// Without the columns in which every row has "-".
void drop_empty_columns(Table& table) {
  for (size_t column = table.header.size(); column-- > 1;) {
    const bool filled = std::any_of(table.cells.begin(), table.cells.end(),
                                    [&](const auto& row) { return row[column] != "-" && !row[column].empty(); });
    if (filled) continue;
    table.header.erase(table.header.begin() + int64_t(column));
    for (auto& row : table.cells) row.erase(row.begin() + int64_t(column));
  }
}

Table lay_out(const Report& report) {
  Table table;
  const std::vector<std::string> controls = control_names(report);
  table.header = {"metric", "model", "ground truth", "random"};
  table.header.insert(table.header.end(), controls.begin(), controls.end());
  table.header.insert(table.header.end(), {"published", "items"});
  std::string group;
  for (const ReportRow& row : report.rows) {
    if (row.group != group) {
      group = row.group;
      table.cells.emplace_back(table.header.size()).front() = group;
    }
    const std::string mark = footnote_mark(table, row.note);
    std::string published = value_text(row.published, row.decimals);
    if (published != "-") published += footnote_mark(table, row.source);
    std::vector<std::string> cells{row.name + mark};
    for (const Interval& value : {row.model, row.truth, row.random}) cells.push_back(value_text(value, row.decimals));
    for (const std::string& name : controls) cells.push_back(value_text(control_named(row, name), row.decimals));
    cells.insert(cells.end(), {published, count_text(row)});
    table.cells.push_back(std::move(cells));
  }
  drop_empty_columns(table);
  return table;
}

bool is_group(const std::vector<std::string>& row) {
  return row.size() > 1 && std::all_of(row.begin() + 1, row.end(), [](const auto& cell) { return cell.empty(); });
}

// Characters of UTF-8 text.
size_t columns_of(const std::string& text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string markdown_cell(const std::string& text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|') cell += '\\';
    cell += c == '\n' ? ' ' : c;
  }
  return cell;
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? "\"\"" : std::string(1, c);
  return cell + "\"";
}

std::string csv_number(double value) { return std::isnan(value) ? "" : exact(value); }

nlohmann::ordered_json json_value(const Interval& value) {
  if (std::isnan(value.mean)) return nullptr;
  nlohmann::ordered_json json{{"mean", value.mean}, {"interval", nullptr}};
  if (!std::isnan(value.half_width)) json["interval"] = value.half_width;
  return json;
}

}  // namespace

std::string Report::text() const {
  const Table table = lay_out(*this);
  std::vector<size_t> width(table.header.size(), 0);
  for (size_t c = 0; c < width.size(); ++c) width[c] = columns_of(table.header[c]);
  for (const auto& row : table.cells)
    for (size_t c = 0; c < width.size(); ++c) width[c] = std::max(width[c], columns_of(row[c]));
  std::string text = title + "\n";
  for (const auto& [name, value] : facts) text += "  " + name + ": " + value + "\n";
  const auto add_row = [&](const std::vector<std::string>& row, const std::string& indent) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string cell = c == 0 ? indent + row[c] : row[c];
      const std::string blanks(width[c] + (c == 0 ? 2 : 0) - columns_of(cell), ' ');
      line += c == 0 ? cell + blanks : "  " + blanks + cell;
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  text += "\n";
  add_row(table.header, "");
  for (const auto& row : table.cells) add_row(row, is_group(row) ? "" : "  ");
  if (!table.footnotes.empty() || !notes.empty()) text += "\n";
  for (size_t i = 0; i < table.footnotes.size(); ++i)
    text += "[" + std::to_string(i + 1) + "] " + table.footnotes[i] + "\n";
  for (const std::string& note : notes) text += note + "\n";
  return text;
}

std::string Report::markdown() const {
  const Table table = lay_out(*this);
  std::string text = "# " + title + "\n\n";
  for (const auto& [name, value] : facts) text += "- " + name + ": " + value + "\n";
  if (!facts.empty()) text += "\n";
  const auto add_row = [&](const std::vector<std::string>& row) {
    text += "|";
    for (size_t c = 0; c < row.size(); ++c)
      text += " " + (is_group(row) && c == 0 ? "**" + markdown_cell(row[c]) + "**" : markdown_cell(row[c])) + " |";
    text += "\n";
  };
  add_row(table.header);
  text += "|---|";
  for (size_t c = 1; c < table.header.size(); ++c) text += "---:|";
  text += "\n";
  for (const auto& row : table.cells) add_row(row);
  if (!table.footnotes.empty() || !notes.empty()) text += "\n";
  for (size_t i = 0; i < table.footnotes.size(); ++i)
    text += "- [" + std::to_string(i + 1) + "] " + table.footnotes[i] + "\n";
  for (const std::string& note : notes) text += "- " + note + "\n";
  return text;
}

std::string Report::csv() const {
  std::string text =
      "group,metric,model,model_interval,truth,truth_interval,random,random_interval,published,published_interval,"
      "source,items,repeats,note";
  const std::vector<std::string> controls = control_names(*this);
  for (const std::string& name : controls) text += "," + csv_cell(name) + "," + csv_cell(name + "_interval");
  text += "\n";
  for (const ReportRow& row : rows) {
    text += csv_cell(row.group) + "," + csv_cell(row.name);
    for (const Interval& value : {row.model, row.truth, row.random, row.published})
      text += "," + csv_number(value.mean) + "," + csv_number(value.half_width);
    text += "," + csv_cell(row.source) + "," + std::to_string(row.items) + "," + std::to_string(row.repeats) + "," +
            csv_cell(row.note);
    for (const std::string& name : controls) {
      const Interval value = control_named(row, name);
      text += "," + csv_number(value.mean) + "," + csv_number(value.half_width);
    }
    text += "\n";
  }
  return text;
}

nlohmann::ordered_json Report::json() const {
  nlohmann::ordered_json json{{"title", title}, {"facts", nlohmann::ordered_json::object()}};
  for (const auto& [name, value] : facts) json["facts"][name] = value;
  json["metrics"] = nlohmann::ordered_json::array();
  for (const ReportRow& row : rows) {
    json["metrics"].push_back({{"group", row.group},
                               {"metric", row.name},
                               {"model", json_value(row.model)},
                               {"truth", json_value(row.truth)},
                               {"random", json_value(row.random)},
                               {"published", json_value(row.published)},
                               {"source", row.source},
                               {"items", row.items},
                               {"repeats", row.repeats},
                               {"note", row.note}});
    for (const auto& [name, value] : row.controls) json["metrics"].back()["controls"][name] = json_value(value);
  }
  json["notes"] = notes;
  return json;
}

void write_report(const std::filesystem::path& folder, const Report& report) {
  make_output_folder(folder);
  write_file_atomically(folder / "report.md", report.markdown());
  write_file_atomically(folder / "report.csv", report.csv());
  write_file_atomically(folder / "report.json", report.json().dump(2) + "\n");
}

}  // namespace kg::tools
