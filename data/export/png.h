// Pictures as PNG files.
#pragma once

#include <string>

#include "data/export/image.h"

namespace kg {

std::string encode_png(const Image& image);

}  // namespace kg
