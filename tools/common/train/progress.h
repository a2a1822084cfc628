// Progress of a long loop on stderr: one line that renews itself on a terminal, or a plain line every few seconds.
//   1200/5000  24%  loss 0.0312  perplexity 210  used 87%  lr 0.0002  512/s  1:20, 4:10 left
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace kg::tools {

// One figure of the line: loss 0.0312. `unit` follows the number without a space, such as % or mm.
struct ProgressFigure {
  std::string name;
  double value;
  std::string unit = "";
};

struct ProgressStyle {
  bool quiet = false;
  bool terminal = false;
  double interval = 5;          // seconds between two lines
  int width = 100;              // columns of the terminal; longer lines are cut there
  std::ostream* out;            // where the lines go
  std::function<double()> now;  // seconds of a steady clock

  static ProgressStyle of_stderr(bool quiet);
};

class Progress {
 public:
  // Counts from `begin` (not 0 after a resume) to `total`; `title` opens each line.
  Progress(std::string title, int64_t begin, int64_t total, bool quiet = false);
  Progress(std::string title, int64_t begin, int64_t total, ProgressStyle style);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` iterations are complete; `samples` were worked on since the last call. Cheap when no line is due.
  void update(int64_t done, const std::vector<ProgressFigure>& figures, int64_t samples = 0);
  bool due() const;                    // would update() print now? Lets a loop skip computing figures
  void note(const std::string& text);  // a line of its own that stays; nothing when quiet
  void finish();                       // the last state as a line that stays; the destructor calls it

 private:
  std::string line() const;
  void print(bool keep);

  std::string title_;
  int64_t begin_, total_, done_, samples_ = 0;
  ProgressStyle style_;
  double start_, last_print_;
  std::vector<ProgressFigure> figures_;
  int64_t last_shown_ = -1;
  size_t shown_ = 0;  // width of the line that now stands on the terminal
  bool finished_ = false;
};

std::string duration_text(double seconds);  // 0:07, 12:30, 1:02:30
std::string figure_text(double value);      // four significant digits

}  // namespace kg::tools
