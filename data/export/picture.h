// A motion as a picture: an animated GIF, and a film strip of evenly spaced poses as PNG. The camera frames the whole
// motion and looks from the side that shows it largest, preferring the body's front.
#pragma once

#include <filesystem>
#include <string>

#include "data/export/scene.h"

namespace kg {

struct GifOptions {
  int width = 480, height = 480;
  double max_fps = 25;  // frames beyond are left out
};
std::string encode_motion_gif(const Joints& joints, double fps, const std::string& caption,
                              const GifOptions& options = {}, const Skeleton& skeleton = humanml3d());
void write_gif(const std::filesystem::path& path, const Joints& joints, double fps, const std::string& caption,
               const GifOptions& options = {}, const Skeleton& skeleton = humanml3d());

struct StripOptions {
  int poses = 8;  // at most; a shorter motion shows every frame
  int pose_width = 170, height = 400;
};
Image draw_film_strip(const Joints& joints, double fps, const std::string& caption, const StripOptions& options = {},
                      const Skeleton& skeleton = humanml3d());
void write_film_strip(const std::filesystem::path& path, const Joints& joints, double fps, const std::string& caption,
                      const StripOptions& options = {}, const Skeleton& skeleton = humanml3d());

}  // namespace kg
