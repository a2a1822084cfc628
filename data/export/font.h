// Text in a stroke font of our own: ASCII, proportional, one weight. `size` is the em in pixels; capitals are 0.7 of
// it. Text is UTF-8; a character that the font lacks is shown as a box.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/export/image.h"

namespace kg {

inline constexpr double kLineHeight = 1.5;  // of the size

double text_width(std::string_view text, double size);
// (x, y) is the left end of the baseline.
void draw_text(Image& image, double x, double y, std::string_view text, double size, const Color& color);
// Lines no wider than `width` (a single long word is cut with "..."); at most max_lines, the last one cut likewise.
std::vector<std::string> wrap_text(std::string_view text, double size, double width, std::size_t max_lines);

}  // namespace kg
