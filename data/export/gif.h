// Animated pictures as GIF89a files: one palette for all frames, each frame stored as the rectangle that changed.
#pragma once

#include <functional>
#include <string>

#include "data/export/image.h"

namespace kg {

// `draw(i)` makes frame i of `frames`, all of one size, on any thread; some are drawn twice, first for the palette. Frame
// i is shown until i + 1 `seconds_per_frame` have passed (rounded to the format's 1/100 s); the animation repeats for
// ever.
std::string encode_gif(int frames, double seconds_per_frame, const std::function<Image(int)>& draw);

}  // namespace kg
