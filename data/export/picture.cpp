// Camera, caption and arrangement of the two kinds of picture.
#include "data/export/picture.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include "data/export/font.h"
#include "data/export/gif.h"
#include "data/export/png.h"
#include "data/formats/file.h"
#include "tensor/error.h"

namespace kg {
namespace {

constexpr double kElevation = .26, kCaptionSize = 19, kMargin = 22;
constexpr double kBodyMargin = .13;  // of flesh around a joint, metres

std::string seconds(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + 32, value, std::chars_format::fixed, 2).ptr) + " s";
}

// The corners of what a pose needs of the picture.
void append_extent(std::vector<Vec3>& points, const Pose& pose, double ground) {
  for (const Vec3& p : pose)
    for (const double x : {-kBodyMargin, kBodyMargin})
      for (const double z : {-kBodyMargin, kBodyMargin}) points.push_back(p + Vec3{x, 0, z});
  points.push_back(pose[kHead] + Vec3{0, .22, 0});
  points.push_back({pose[kPelvis].x, ground - .05, pose[kPelvis].z});
}

double azimuth_of(const Vec3& direction) { return std::atan2(direction.x, direction.z); }

// Of 24 directions the one that shows the motion largest, unless one nearer to the body's front is almost as good.
Camera frame_motion(const Joints& joints, double ground, double x0, double y0, double x1, double y1) {
  std::vector<Vec3> points;
  Vec3 ahead;
  for (const Pose& pose : joints) {
    append_extent(points, pose, ground);
    ahead += facing(pose);
  }
  const double front = azimuth_of(ahead) + .55;
  Camera best;
  double best_cost = 1e300;
  for (int k = 0; k < 24; ++k) {
    const double turn = k * std::numbers::pi / 12;
    const Camera camera = fit_camera(points, {front + turn, kElevation, .5}, x0, y0, x1, y1);
    const double cost = camera.depth(joints[joints.size() / 2][kPelvis]) * (1 + .22 * (1 - std::cos(turn)));
    if (cost < best_cost) best_cost = cost, best = camera;
  }
  return best;
}

// The caption in at most two lines; returns the height it takes.
double draw_caption(Image& image, const std::string& caption, const SceneStyle& style) {
  double y = 14;
  for (const std::string& line : wrap_text(caption, kCaptionSize, image.width - 2 * kMargin, 2)) {
    y += kCaptionSize * kLineHeight;
    draw_text(image, kMargin, y - kCaptionSize * .5, line, kCaptionSize, style.text);
  }
  return y;
}

std::vector<Vec3> root_path(const Joints& joints, std::size_t count) {
  std::vector<Vec3> path;
  for (std::size_t t = 0; t < count; ++t) path.push_back(joints[t][kPelvis]);
  return path;
}

}  // namespace

std::string encode_motion_gif(const Joints& joints, double fps, const std::string& caption, const GifOptions& options) {
  check_motion(joints, fps, "gif");
  const SceneStyle style;
  const Color path_color = rgb(0x9aa4b1);
  const double ground = ground_height(joints);
  const int step = std::max(1, static_cast<int>(std::ceil(fps / options.max_fps - 1e-9)));

  Image backdrop(options.width, options.height, style.background);
  const double top = draw_caption(backdrop, caption, style);
  const double bottom = options.height - 30.;
  CHECK(bottom - top > 50, "[gif] a picture ", options.height, " pixels high has no room for the body");
  const Camera camera = frame_motion(joints, ground, kMargin, top + 8, options.width - kMargin, bottom);
  backdrop = Image(options.width, options.height, style.background);
  draw_ground(backdrop, camera, ground, joints[joints.size() / 2][kPelvis], style);
  draw_trail(backdrop, camera, ground, root_path(joints, joints.size()), .025, path_color, .28f);
  draw_caption(backdrop, caption, style);

  const auto draw = [&](int i) {
    const std::size_t frame = static_cast<std::size_t>(i) * step;
    Image image = backdrop;
    const Figure figure{body_pose(joints[frame])};
    draw_trail(image, camera, ground, root_path(joints, frame + 1), .025, path_color, .9f);
    draw_shadows(image, camera, ground, std::span(&figure, 1), style);
    draw_figures(image, camera, std::span(&figure, 1), style);
    // Time at the lower left, and how far the motion is as a line along the lower edge.
    draw_text(image, kMargin, options.height - 14., seconds(static_cast<double>(frame) / fps), 13, style.faint_text);
    const double part = static_cast<double>(frame + 1) / static_cast<double>(joints.size());
    fill_rectangle(image, 0, options.height - 3., options.width * part, options.height, side_color(BodySide::left));
    return image;
  };
  const int frames = (static_cast<int>(joints.size()) + step - 1) / step;
  return encode_gif(frames, std::max(.02, step / fps), draw);
}

void write_gif(const std::filesystem::path& path, const Joints& joints, double fps, const std::string& caption,
               const GifOptions& options) {
  write_file_atomically(path, encode_motion_gif(joints, fps, caption, options), false);
}

Image draw_film_strip(const Joints& joints, double fps, const std::string& caption, const StripOptions& options) {
  check_motion(joints, fps, "film strip");
  CHECK(options.poses > 0, "[film strip] at least one pose must be shown");
  SceneStyle style;
  style.samples = 3;
  const int last = static_cast<int>(joints.size()) - 1, poses = std::min(options.poses, last + 1);
  const double ground = ground_height(joints);
  const int width = std::max(poses * options.pose_width, 3 * options.pose_width);
  Image image(width, options.height, style.background);
  const double top = draw_caption(image, caption, style) + 6, bottom = options.height - 34.;

  // All poses stand in one scene, side by side across the view, each turned as it was but brought to its place.
  Vec3 ahead;
  for (const Pose& pose : joints) ahead += facing(pose);
  const View view{azimuth_of(ahead) + .6, .16, .12};
  const Vec3 right{std::cos(view.azimuth), 0, -std::sin(view.azimuth)};
  std::vector<Pose> shown;
  std::vector<double> times;
  double low = 0, high = 0;  // how far the poses reach to both sides of the pelvis
  for (int i = 0; i < poses; ++i) {
    const int frame = poses > 1 ? static_cast<int>(std::lround(static_cast<double>(i) * last / (poses - 1))) : 0;
    Pose pose = joints[static_cast<std::size_t>(frame)];
    const Vec3 pelvis{pose[kPelvis].x, 0, pose[kPelvis].z};
    for (Vec3& p : pose) {
      p = p - pelvis;
      low = std::min(low, dot(p, right)), high = std::max(high, dot(p, right));
    }
    shown.push_back(pose);
    times.push_back(frame / fps);
  }
  const double spacing = std::max(.75, high - low + kBodyMargin);
  std::vector<Vec3> extent;
  std::vector<Figure> figures;
  for (int i = 0; i < poses; ++i) {
    for (Vec3& p : shown[static_cast<std::size_t>(i)]) p += right * (spacing * i);
    append_extent(extent, shown[static_cast<std::size_t>(i)], ground);
    figures.push_back({body_pose(shown[static_cast<std::size_t>(i)])});
  }
  const Camera camera = fit_camera(extent, view, kMargin, top, width - kMargin, bottom);
  draw_shadows(image, camera, ground, figures, style);
  draw_figures(image, camera, figures, style);
  for (int i = 0; i < poses; ++i) {
    const Point at = camera.project(right * (spacing * i) + Vec3{0, ground, 0});
    const std::string text = seconds(times[static_cast<std::size_t>(i)]);
    draw_text(image, at.x - text_width(text, 14) / 2, options.height - 14., text, 14, style.faint_text);
  }
  return image;
}

void write_film_strip(const std::filesystem::path& path, const Joints& joints, double fps, const std::string& caption,
                      const StripOptions& options) {
  write_file_atomically(path, encode_png(draw_film_strip(joints, fps, caption, options)), false);
}

}  // namespace kg
