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

constexpr double kElevation = .26, kCaptionSize = 19, kSmallCaption = 16, kPictureMargin = 22;
constexpr double kBodyMargin = .13;  // of flesh around a joint, metres for a person's size

std::string seconds(double value) {
  char text[32];
  return std::string(text, std::to_chars(text, text + 32, value, std::chars_format::fixed, 2).ptr) + " s";
}

// A motion in metres and its body.
struct Scene {
  Scene(const Joints& motion, double fps, const Skeleton& of, const char* who)
      : skeleton(of), joints(checked_metres(motion, fps, of, who)), body(body_of(of, joints[0])) {
    ground = ground_height(joints, body.size);
    for (const Pose& pose : joints) ahead += facing(pose, skeleton);
  }

  // The corners of what a pose needs of the picture.
  void append_extent(std::vector<Vec3>& points, const Pose& pose) const {
    const double margin = kBodyMargin * body.size;
    for (const Vec3& p : pose)
      for (const double x : {-margin, margin})
        for (const double z : {-margin, margin}) points.push_back(p + Vec3{x, body.head ? 0 : margin, z});
    if (body.head) points.push_back(pose[body.head->joint] + Vec3{0, .22, 0});
    points.push_back({pose[0].x, ground - .05 * body.size, pose[0].z});
  }

  const Skeleton& skeleton;
  Joints joints;
  Body body;
  double ground = 0;
  Vec3 ahead;  // where the body faces, summed over frames
};

double azimuth_of(const Vec3& direction) { return std::atan2(direction.x, direction.z); }

// Of 24 directions the one that shows the motion largest, unless one nearer to the body's front is almost as good.
Camera frame_motion(const Scene& scene, double x0, double y0, double x1, double y1) {
  std::vector<Vec3> points;
  for (const Pose& pose : scene.joints) scene.append_extent(points, pose);
  const double front = azimuth_of(scene.ahead) + .55;
  Camera best;
  double best_cost = 1e300;
  for (int k = 0; k < 24; ++k) {
    const double turn = k * std::numbers::pi / 12;
    const Camera camera = fit_camera(points, {front + turn, kElevation, .5}, x0, y0, x1, y1);
    const double cost = camera.depth(scene.joints[scene.joints.size() / 2][0]) * (1 + .22 * (1 - std::cos(turn)));
    if (cost < best_cost) best_cost = cost, best = camera;
  }
  return best;
}

// The caption in one line where a smaller size makes it fit, else in two; returns the height it takes.
double draw_caption(Image& image, const std::string& caption, const SceneStyle& style,
                    double right_margin = kPictureMargin) {
  const double width = image.width - kPictureMargin - right_margin;
  double size = kCaptionSize;
  while (size > kSmallCaption && text_width(caption, size) > width) size -= 1;
  double y = 14;
  for (const std::string& line : wrap_text(caption, size, width, 2)) {
    y += size * kLineHeight;
    draw_text(image, kPictureMargin, y - size * .5, line, size, style.text);
  }
  return y;
}

std::vector<Vec3> root_path(const Joints& joints, std::size_t count) {
  std::vector<Vec3> path;
  for (std::size_t t = 0; t < count; ++t) path.push_back(joints[t][0]);
  return path;
}

}  // namespace

std::string encode_motion_gif(const Joints& motion, double fps, const std::string& caption, const GifOptions& options,
                              const Skeleton& skeleton) {
  const Scene scene(motion, fps, skeleton, "gif");
  const Joints& joints = scene.joints;
  const SceneStyle style;
  const Color path_color = rgb(0x9aa4b1);
  const double ground = scene.ground, trail = .025 * scene.body.size;
  const int step = std::max(1, static_cast<int>(std::ceil(fps / options.max_fps - 1e-9)));

  Image backdrop(options.width, options.height, style.background);
  const double top = draw_caption(backdrop, caption, style);
  const double bottom = options.height - 30.;
  CHECK(bottom - top > 50, "[gif] a picture ", options.height, " pixels high has no room for the body");
  const Camera camera = frame_motion(scene, kPictureMargin, top + 8, options.width - kPictureMargin, bottom);
  backdrop = Image(options.width, options.height, style.background);
  draw_ground(backdrop, camera, ground, joints[joints.size() / 2][0], style);
  draw_trail(backdrop, camera, ground, root_path(joints, joints.size()), trail, path_color, .28f);
  draw_caption(backdrop, caption, style);

  const auto draw = [&](int i) {
    const std::size_t frame = static_cast<std::size_t>(i) * step;
    Image image = backdrop;
    const Figure figure{scene.body, body_pose(scene.body, joints[frame])};
    draw_trail(image, camera, ground, root_path(joints, frame + 1), trail, path_color, .9f);
    draw_shadows(image, camera, ground, std::span(&figure, 1), style);
    draw_figures(image, camera, std::span(&figure, 1), style);
    // Time at the lower left, and how far the motion is as a line along the lower edge.
    draw_text(image, kPictureMargin, options.height - 14., seconds(static_cast<double>(frame) / fps), 13,
              style.faint_text);
    const double part = static_cast<double>(frame + 1) / static_cast<double>(joints.size());
    fill_rectangle(image, 0, options.height - 3., options.width * part, options.height, side_color(BodySide::left));
    return image;
  };
  const int frames = (static_cast<int>(joints.size()) + step - 1) / step;
  return encode_gif(frames, std::max(.02, step / fps), draw);
}

void write_gif(const std::filesystem::path& path, const Joints& joints, double fps, const std::string& caption,
               const GifOptions& options, const Skeleton& skeleton) {
  write_file_atomically(path, encode_motion_gif(joints, fps, caption, options, skeleton), false);
}

namespace {

// Frames of the poses, evenly spaced from the first to the last.
std::vector<std::size_t> strip_frames(std::size_t frames, int poses) {
  const std::size_t count = std::min(frames, static_cast<std::size_t>(poses));
  std::vector<std::size_t> shown(count, 0);
  for (std::size_t i = 1; i < count; ++i)
    shown[i] =
        static_cast<std::size_t>(std::lround(static_cast<double>(i * (frames - 1)) / static_cast<double>(count - 1)));
  return shown;
}

// The root's path from above, away from the viewer upwards, with a dot for each pose and a larger one at the start.
// Motions that stay in place have none.
void draw_path_map(Image& image, const Scene& scene, const std::vector<std::size_t>& shown, const View& view,
                   const SceneStyle& style, double x0, double y0, double x1, double y1) {
  constexpr double kWorthIt = .6;  // metres for a person's size
  const double ca = std::cos(view.azimuth), sa = std::sin(view.azimuth);
  Polyline path;
  double left = 1e300, right = -1e300, low = 1e300, high = -1e300;
  for (const Vec3& p : root_path(scene.joints, scene.joints.size())) {
    path.push_back({p.x * ca - p.z * sa, p.x * sa + p.z * ca});
    left = std::min(left, path.back().x), right = std::max(right, path.back().x);
    low = std::min(low, path.back().y), high = std::max(high, path.back().y);
  }
  if (std::max(right - left, high - low) < kWorthIt * scene.body.size) return;
  const double scale = std::min((x1 - x0) / (right - left + .01), (y1 - y0) / (high - low + .01));
  for (Point& p : path) p = {x1 - (right - p.x) * scale, (y0 + y1) / 2 + (p.y - (low + high) / 2) * scale};
  stroke(image, std::span(&path, 1), 1.8, style.faint_text, .7f);
  for (std::size_t i = 0; i < shown.size(); ++i) {
    const Polyline dot{path[shown[i]]};
    stroke(image, std::span(&dot, 1), i == 0 ? 9 : 5.5, side_color(BodySide::left));
  }
}

}  // namespace

Image draw_film_strip(const Joints& motion, double fps, const std::string& caption, const StripOptions& options,
                      const Skeleton& skeleton) {
  const Scene scene(motion, fps, skeleton, "film strip");
  const Joints& joints = scene.joints;
  CHECK(options.poses > 0, "[film strip] at least one pose must be shown");
  constexpr double kMapWidth = 150, kTimeSize = 14;
  SceneStyle style;
  style.samples = 3;
  const std::vector<std::size_t> shown = strip_frames(joints.size(), options.poses);
  const int width = std::max(static_cast<int>(shown.size()), 3) * options.pose_width;
  const View view{azimuth_of(scene.ahead) + .6, .16, .12};
  Image image(width, options.height, style.background);
  const double top = std::max(58., draw_caption(image, caption, style, kMapWidth + 2 * kPictureMargin) + 6);
  draw_path_map(image, scene, shown, view, style, width - kPictureMargin - kMapWidth, 12, width - kPictureMargin, 58);

  // All poses stand in one scene, side by side across the view, each turned as it was but brought to its place.
  const Vec3 right{std::cos(view.azimuth), 0, -std::sin(view.azimuth)};
  std::vector<Pose> poses;
  double low = 0, high = 0;  // how far the poses reach to both sides of the root
  for (const std::size_t frame : shown) {
    poses.push_back(joints[frame]);
    const Vec3 root{poses.back()[0].x, 0, poses.back()[0].z};
    for (Vec3& p : poses.back()) {
      p = p - root;
      low = std::min(low, dot(p, right)), high = std::max(high, dot(p, right));
    }
  }
  const Vec3 spacing = right * std::max(.75 * scene.body.size, high - low + kBodyMargin * scene.body.size);
  std::vector<Vec3> extent;
  std::vector<Figure> figures;
  for (std::size_t i = 0; i < poses.size(); ++i) {
    for (Vec3& p : poses[i]) p += spacing * static_cast<double>(i);
    scene.append_extent(extent, poses[i]);
    figures.push_back({scene.body, body_pose(scene.body, poses[i])});
  }
  const Camera camera = fit_camera(extent, view, kPictureMargin, top, width - kPictureMargin, options.height - 34.);
  draw_shadows(image, camera, scene.ground, figures, style);
  draw_figures(image, camera, figures, style);
  for (std::size_t i = 0; i < poses.size(); ++i) {
    const Point at = camera.project(spacing * static_cast<double>(i) + Vec3{0, scene.ground, 0});
    const std::string text = seconds(static_cast<double>(shown[i]) / fps);
    draw_text(image, at.x - text_width(text, kTimeSize) / 2, options.height - 14., text, kTimeSize, style.faint_text);
  }
  return image;
}

void write_film_strip(const std::filesystem::path& path, const Joints& joints, double fps, const std::string& caption,
                      const StripOptions& options, const Skeleton& skeleton) {
  write_file_atomically(path, encode_png(draw_film_strip(joints, fps, caption, options, skeleton)), false);
}

}  // namespace kg
