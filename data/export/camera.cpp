// Fitting a camera: in view axes every side of the frustum is one plane, and the nearest camera touches two of them.
#include "data/export/camera.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace kg {

Camera fit_camera(std::span<const Vec3> points, const View& view, double x0, double y0, double x1, double y1) {
  CHECK(!points.empty() && x1 > x0 && y1 > y0, "[camera] nothing to look at");
  Camera camera;
  const double ca = std::cos(view.azimuth), sa = std::sin(view.azimuth);
  const double ce = std::cos(view.elevation), se = std::sin(view.elevation);
  camera.forward = {-sa * ce, -se, -ca * ce};
  camera.right = {ca, 0, -sa};
  camera.up = cross(camera.right, camera.forward);
  camera.focal = (y1 - y0) / 2 / std::tan(view.field / 2);
  camera.centre = {(x0 + x1) / 2, (y0 + y1) / 2};

  // A point at (u, depth w) is inside when |u - cu| <= k (w - cw): so cu - k cw >= max(u - k w) and so on.
  struct Fit {
    double high = -1e300, low = -1e300;
    void add(double u, double w, double k) { high = std::max(high, u - k * w), low = std::max(low, -u - k * w); }
    double centre() const { return (high - low) / 2; }
    double back(double k) const { return -(high + low) / 2 / k; }
  };
  const double ky = (y1 - y0) / 2 / camera.focal, kx = (x1 - x0) / 2 / camera.focal;
  Fit horizontal, vertical;
  for (const Vec3& p : points) {
    const double w = dot(p, camera.forward);
    horizontal.add(dot(p, camera.right), w, kx);
    vertical.add(dot(p, camera.up), w, ky);
  }
  const double back = std::min(horizontal.back(kx), vertical.back(ky));
  camera.eye = camera.right * horizontal.centre() + camera.up * vertical.centre() + camera.forward * back;
  return camera;
}

}  // namespace kg
