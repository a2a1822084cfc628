// Pictures of bodies on a ground plane: limbs are ray-cast as exact surfaces and shaded; the ground has a fading grid,
// soft shadows and trails. World metres, y up.
#pragma once

#include "data/export/camera.h"
#include "data/export/figure.h"

namespace kg {

struct SceneStyle {
  Color background = rgb(0xf6f7f9), grid = rgb(0xd5d9df), shadow = rgb(0x2a3342), text = rgb(0x24292f),
        faint_text = rgb(0x7a828e);
  double cell = 0.5;       // of the grid, metres
  double fade_radius = 4;  // the grid fades out this far from its centre
  int samples = 2;         // rays a pixel, each way
};

// One body in one pose, and how far its colours are washed out towards the background (0: not at all).
struct Figure {
  const Body& body;
  DrawnPose pose;
  float fade = 0;
};

void draw_ground(Image& image, const Camera& camera, double height, const Vec3& centre, const SceneStyle& style);
void draw_shadows(Image& image, const Camera& camera, double height, std::span<const Figure> figures,
                  const SceneStyle& style);
// A path on the ground as a line of `width` metres.
void draw_trail(Image& image, const Camera& camera, double height, std::span<const Vec3> path, double width,
                const Color& color, float alpha);
void draw_figures(Image& image, const Camera& camera, std::span<const Figure> figures, const SceneStyle& style);

}  // namespace kg
