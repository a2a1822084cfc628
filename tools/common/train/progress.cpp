// When to print, and how a line is put together.
#include "tools/common/train/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <iostream>

namespace kg::tools {

std::string duration_text(double seconds) {
  const int64_t s = seconds > 0 ? int64_t(std::llround(seconds)) : 0;
  char text[48];
  if (s >= 3600)
    std::snprintf(text, sizeof(text), "%lld:%02d:%02d", static_cast<long long>(s / 3600), int(s / 60 % 60),
                  int(s % 60));
  else
    std::snprintf(text, sizeof(text), "%d:%02d", int(s / 60), int(s % 60));
  return text;
}

std::string figure_text(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

ProgressStyle ProgressStyle::of_stderr(bool quiet) {
  ProgressStyle style{.out = &std::cerr, .now = [] {
                        const auto time = std::chrono::steady_clock::now().time_since_epoch();
                        return std::chrono::duration<double>(time).count();
                      }};
  style.quiet = quiet;
  style.terminal = ::isatty(STDERR_FILENO) == 1;
  if (style.terminal) {
    style.interval = 0.2;
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) style.width = size.ws_col;
  }
  return style;
}

Progress::Progress(std::string title, int64_t begin, int64_t total, bool quiet)
    : Progress(std::move(title), begin, total, ProgressStyle::of_stderr(quiet)) {}

Progress::Progress(std::string title, int64_t begin, int64_t total, ProgressStyle style)
    : title_(std::move(title)), begin_(begin), total_(total), done_(begin), style_(std::move(style)) {
  start_ = style_.now();
  last_print_ = start_;
}

Progress::~Progress() { finish(); }

bool Progress::due() const { return !style_.quiet && style_.now() - last_print_ >= style_.interval; }

void Progress::update(int64_t done, const std::vector<ProgressFigure>& figures, int64_t samples) {
  done_ = done;
  samples_ += samples;
  if (style_.quiet) return;
  figures_ = figures;
  if (due()) print(false);
}

std::string Progress::line() const {
  const double elapsed = style_.now() - start_;
  std::string text = title_ + "  " + std::to_string(done_) + "/" + std::to_string(total_);
  if (total_ > 0) text += "  " + std::to_string(100 * done_ / total_) + "%";
  for (const ProgressFigure& figure : figures_)
    text += "  " + figure.name + " " + figure_text(figure.value) + figure.unit;
  if (samples_ > 0 && elapsed > 0) text += "  " + figure_text(double(samples_) / elapsed) + "/s";
  text += "  " + duration_text(elapsed);
  if (done_ > begin_ && done_ < total_)
    text += ", " + duration_text(elapsed / double(done_ - begin_) * double(total_ - done_)) + " left";
  return text;
}

void Progress::print(bool keep) {
  last_print_ = style_.now();
  last_shown_ = done_;
  std::string text = line();
  if (!style_.terminal) {
    *style_.out << text << std::endl;
    return;
  }
  if (!keep && text.size() >= size_t(style_.width)) text.resize(size_t(style_.width) - 1);
  const size_t length = text.size();
  if (length < shown_) text.append(shown_ - length, ' ');  // wipes the rest of the longer line before
  shown_ = keep ? 0 : length;
  *style_.out << '\r' << text << (keep ? "\n" : "") << std::flush;
}

void Progress::note(const std::string& text) {
  if (style_.quiet) return;
  if (style_.terminal && shown_ > 0) {
    *style_.out << '\r' << std::string(shown_, ' ') << '\r';
    shown_ = 0;
  }
  *style_.out << text << std::endl;
}

void Progress::finish() {
  if (finished_) return;
  finished_ = true;
  if (!style_.quiet && done_ > begin_ && (style_.terminal || done_ != last_shown_)) print(true);
}

}  // namespace kg::tools
