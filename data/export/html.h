// A motion player in one HTML file: no network, no library. It shows sections of motions side by side in 3-D, with
// their captions, and opens in any browser from disk.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/motion/skeleton.h"

namespace kg {

struct HtmlMotion {
  std::string title;     // what it is: "generated", "nearest real clip", a file name
  std::string subtitle;  // what it shows: a caption
  Joints joints;
  double fps = kFps;
  Skeleton skeleton = humanml3d();
};

// A row of motions that share a timeline and a camera.
struct HtmlSection {
  std::string title;  // may be empty
  std::string text;   // may be empty
  std::vector<HtmlMotion> motions;
};

// All text is UTF-8 and shown as it is, never read as HTML.
std::string encode_html(const std::string& page_title, const std::string& intro,
                        const std::vector<HtmlSection>& sections);
void write_html(const std::filesystem::path& path, const std::string& page_title, const std::string& intro,
                const std::vector<HtmlSection>& sections);

}  // namespace kg
