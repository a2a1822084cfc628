// A perspective camera for pictures of motions: world metres (y up) to pixels (y down).
#pragma once

#include <span>

#include "data/export/image.h"
#include "data/motion/vec.h"

namespace kg {

struct Camera {
  Vec3 eye, right, up, forward;  // right, up, forward: unit length
  double focal = 1;              // pixels at unit depth
  Point centre;                  // pixel on the optical axis

  double depth(const Vec3& p) const { return dot(p - eye, forward); }
  Point project(const Vec3& p) const {
    const double scale = focal / depth(p);
    return {centre.x + dot(p - eye, right) * scale, centre.y - dot(p - eye, up) * scale};
  }
  // Direction through a pixel position; its component along `forward` is 1.
  Vec3 ray(double x, double y) const {
    return forward + right * ((x - centre.x) / focal) + up * ((centre.y - y) / focal);
  }
};

// A camera that looks from `azimuth` (radians about y; 0 looks along -z, so that it sees the front of a body that faces
// +z) and `elevation` above the horizon, as near as all points fit in the rectangle (x0, y0)..(x1, y1) of the picture.
struct View {
  double azimuth = 0, elevation = 0;
  double field = 0.5;  // angle of view over the height of the rectangle, radians
};
Camera fit_camera(std::span<const Vec3> points, const View& view, double x0, double y0, double x1, double y1);

}  // namespace kg
