// Palette by median cut over a 6-bit histogram, LZW with codes of growing width,
// pixels that did not change transparent.
#include "data/export/gif.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "tensor/error.h"
#include "tensor/parallel.h"

namespace kg {
namespace {

constexpr int kPaletteSize = 255, kTransparent = 255;
constexpr int kCells = 1 << 18;  // 6 bits a channel

using Rgb = std::array<std::uint8_t, 3>;

int cell_of(const std::uint8_t* p) { return (p[0] >> 2) << 12 | (p[1] >> 2) << 6 | p[2] >> 2; }

// How often the colours of a cell occur, and their sum: the palette holds true means, not the middles of cells.
struct Cell {
  double count = 0;
  std::array<double, 3> sum{};
};

struct Palette {
  std::vector<Rgb> colors;
  std::vector<int> index_of_cell = std::vector<int>(kCells, -1);  // filled when first asked

  int index(const std::uint8_t* p) {
    int& index = index_of_cell[static_cast<std::size_t>(cell_of(p))];
    if (index >= 0) return index;
    int best = 1 << 30;
    for (std::size_t i = 0; i < colors.size(); ++i) {
      int distance = 0;
      for (std::size_t c = 0; c < 3; ++c) distance += (p[c] - colors[i][c]) * (p[c] - colors[i][c]);
      if (distance < best) best = distance, index = static_cast<int>(i);
    }
    return index;
  }
};

// One box of the median cut: cells [first, last) of the list, its spread weighted by how often its colours occur.
struct ColorBox {
  std::size_t first, last;
  std::size_t axis = 0;
  double spread = 0;
};

ColorBox measure(const std::vector<Cell>& cells, std::size_t first, std::size_t last) {
  ColorBox box{first, last};
  for (std::size_t c = 0; c < 3; ++c) {
    double count = 0, sum = 0, squares = 0;
    for (std::size_t i = first; i < last; ++i) {
      const double weight = std::sqrt(cells[i].count), mean = cells[i].sum[c] / cells[i].count;
      count += weight, sum += weight * mean, squares += weight * mean * mean;
    }
    const double spread = squares - sum * sum / count;
    if (spread > box.spread) box.spread = spread, box.axis = c;
  }
  return box;
}

Palette make_palette(std::vector<Cell> cells) {
  std::erase_if(cells, [](const Cell& cell) { return cell.count == 0; });
  std::vector<ColorBox> boxes{measure(cells, 0, cells.size())};
  while (boxes.size() < kPaletteSize) {
    const auto widest =
        std::max_element(boxes.begin(), boxes.end(), [](auto& a, auto& b) { return a.spread < b.spread; });
    if (widest->spread <= 1e-9) break;
    const ColorBox box = *widest;
    const auto value = [&](const Cell& cell) { return cell.sum[box.axis] / cell.count; };
    const auto begin = cells.begin() + static_cast<std::ptrdiff_t>(box.first);
    std::stable_sort(begin, cells.begin() + static_cast<std::ptrdiff_t>(box.last),
                     [&](const Cell& a, const Cell& b) { return value(a) < value(b); });
    // Cut at the mean, which separates a few rare colours from many common ones better than the median does.
    double weight = 0, sum = 0;
    for (std::size_t i = box.first; i < box.last; ++i) {
      weight += std::sqrt(cells[i].count);
      sum += std::sqrt(cells[i].count) * value(cells[i]);
    }
    std::size_t cut = box.first + 1;
    while (cut + 1 < box.last && value(cells[cut]) <= sum / weight) ++cut;
    *widest = measure(cells, box.first, cut);
    boxes.push_back(measure(cells, cut, box.last));
  }
  Palette palette;
  for (const ColorBox& box : boxes) {
    Cell total;
    for (std::size_t i = box.first; i < box.last; ++i) {
      total.count += cells[i].count;
      for (std::size_t c = 0; c < 3; ++c) total.sum[c] += cells[i].sum[c];
    }
    Rgb color;
    for (std::size_t c = 0; c < 3; ++c) color[c] = static_cast<std::uint8_t>(std::lround(total.sum[c] / total.count));
    palette.colors.push_back(color);
  }
  return palette;
}

// LZW codes packed low bit first into blocks of at most 255 bytes.
class LzwWriter {
 public:
  explicit LzwWriter(std::string& out) : out_(out), children_(4096 * 256) {}

  void encode(const std::vector<std::uint8_t>& indices) {
    out_ += static_cast<char>(kBits);
    bits_ = 0;
    held_ = 0;
    restart();
    emit(kClear);
    int code = indices[0];
    for (std::size_t i = 1; i < indices.size(); ++i) {
      std::uint16_t& child = children_[static_cast<std::size_t>(code) * 256 + indices[i]];
      if (child != 0) {
        code = child;
        continue;
      }
      emit(code);
      if (next_ < 4096) {
        if (next_ == 1 << width_) ++width_;
        child = static_cast<std::uint16_t>(next_++);
      } else {
        emit(kClear);
        restart();
      }
      code = indices[i];
    }
    emit(code);
    // The decoder adds an entry after that code too, and may widen its codes by it.
    if (next_ == 1 << width_ && width_ < 12) ++width_;
    emit(kEnd);
    if (held_ > 0) byte(bits_ & 255);
    flush();
    out_ += '\0';
  }

 private:
  static constexpr int kBits = 8, kClear = 256, kEnd = 257;

  void restart() {
    std::fill(children_.begin(), children_.end(), std::uint16_t{0});
    width_ = kBits + 1;
    next_ = kEnd + 1;
  }
  void emit(int code) {
    bits_ |= static_cast<std::uint32_t>(code) << held_;
    for (held_ += width_; held_ >= 8; held_ -= 8, bits_ >>= 8) byte(bits_ & 255);
  }
  void byte(std::uint32_t value) {
    block_ += static_cast<char>(value);
    if (block_.size() == 255) flush();
  }
  void flush() {
    if (block_.empty()) return;
    out_ += static_cast<char>(block_.size());
    out_ += block_;
    block_.clear();
  }

  std::string& out_;
  std::string block_;
  std::vector<std::uint16_t> children_;  // (code, byte) -> longer code; 0: none
  int width_ = 0, next_ = 0, held_ = 0;
  std::uint32_t bits_ = 0;
};

void append_u16(std::string& out, int value) {
  out += static_cast<char>(value & 255);
  out += static_cast<char>(value >> 8);
}

std::string header(const Image& frame, const Palette& palette) {
  std::string out = "GIF89a";
  append_u16(out, frame.width);
  append_u16(out, frame.height);
  out += "\xf7";  // a global table of 256 colours, 8 bits a channel
  out += std::string(2, '\0');
  for (std::size_t i = 0; i < 256; ++i) {
    const Rgb color = i < palette.colors.size() ? palette.colors[i] : Rgb{};
    for (const std::uint8_t channel : color) out += static_cast<char>(channel);
  }
  return out + std::string("\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00", 19);  // repeat for ever
}

// The part of `now` that differs from `before` (all of it when that is empty), unchanged pixels in it transparent.
void append_frame(std::string& out, LzwWriter& lzw, const std::vector<std::uint8_t>& now,
                  const std::vector<std::uint8_t>& before, int width, int height, int hundredths) {
  int x0 = width, y0 = height, x1 = 0, y1 = 0;
  const auto at = [&](int x, int y) { return static_cast<std::size_t>(y) * width + x; };
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      if (before.empty() || now[at(x, y)] != before[at(x, y)]) {
        x0 = std::min(x0, x), x1 = std::max(x1, x + 1);
        y0 = std::min(y0, y), y1 = std::max(y1, y + 1);
      }
  if (x0 >= x1) x0 = y0 = 0, x1 = y1 = 1;  // nothing moved: one pixel carries the delay
  std::vector<std::uint8_t> indices;
  for (int y = y0; y < y1; ++y)
    for (int x = x0; x < x1; ++x) {
      const bool same = !before.empty() && now[at(x, y)] == before[at(x, y)];
      indices.push_back(same ? kTransparent : now[at(x, y)]);
    }
  out += std::string("\x21\xf9\x04\x05", 4);  // keep this frame under the next; a transparent colour
  append_u16(out, hundredths);
  out += static_cast<char>(kTransparent);
  out += std::string("\x00\x2c", 2);
  for (const int value : {x0, y0, x1 - x0, y1 - y0}) append_u16(out, value);
  out += '\0';
  lzw.encode(indices);
}

}  // namespace

std::string encode_gif(int frames, double seconds_per_frame, const std::function<Image(int)>& draw) {
  CHECK(frames > 0, "[gif] an animation needs at least one frame");
  CHECK(seconds_per_frame >= .02 && seconds_per_frame <= 600, "[gif] a frame may last 0.02 to 600 s, not ",
        seconds_per_frame);
  constexpr int kPaletteFrames = 12;
  std::vector<Cell> cells(kCells);
  for (int k = 0; k < std::min(frames, kPaletteFrames); ++k) {
    const Image image = draw(frames <= kPaletteFrames ? k : k * (frames - 1) / (kPaletteFrames - 1));
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
      Cell& cell = cells[static_cast<std::size_t>(cell_of(&image.pixels[i]))];
      ++cell.count;
      for (std::size_t c = 0; c < 3; ++c) cell.sum[c] += image.pixels[i + c];
    }
  }
  Palette palette = make_palette(std::move(cells));

  constexpr int kDrawnAtOnce = 16;  // by all threads
  std::vector<Image> drawn;
  std::string out;
  LzwWriter lzw(out);
  std::vector<std::uint8_t> before;
  int width = 0, height = 0;
  for (int frame = 0; frame < frames; ++frame) {
    if (frame % kDrawnAtOnce == 0) {
      drawn.resize(size_t(std::min(kDrawnAtOnce, frames - frame)));
      parallel_for(int64_t(drawn.size()), 1, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) drawn[size_t(i)] = draw(frame + int(i));
      });
    }
    const Image& image = drawn[size_t(frame % kDrawnAtOnce)];
    if (frame == 0) {
      width = image.width, height = image.height;
      out = header(image, palette);
    }
    CHECK(image.width == width && image.height == height, "[gif] frame ", frame, " is ", image.width, " x ",
          image.height, ", the first one ", width, " x ", height);
    std::vector<std::uint8_t> now(image.pixels.size() / 3);
    for (std::size_t i = 0; i < now.size(); ++i)
      now[i] = static_cast<std::uint8_t>(palette.index(&image.pixels[3 * i]));
    const auto time = [&](int i) { return static_cast<int>(std::lround(100 * seconds_per_frame * i)); };
    append_frame(out, lzw, now, before, width, height, time(frame + 1) - time(frame));
    before = std::move(now);
  }
  return out + '\x3b';
}

}  // namespace kg
