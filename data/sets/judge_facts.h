// What the judge measures on a motion: lengths in metres above the floor, angles in degrees, one value a frame.
#pragma once

#include <array>
#include <vector>

#include "data/motion/skeleton.h"

namespace kg {

using FrameValues = std::vector<double>;

struct ArmFacts {
  FrameValues raised;       // wrist above shoulder over arm length: -1 hanging, 0 level, 1 overhead
  FrameValues extension;    // wrist to shoulder over arm length: 1 straight
  FrameValues forward;      // reach before the shoulder over arm length
  FrameValues waving;       // wrist left of the elbow, metres
  FrameValues above_elbow;  // wrist above the elbow, metres
};
struct LegFacts {
  FrameValues toe, ankle;  // above the floor
  FrameValues forward;     // ankle before the pelvis
};

struct Facts {
  explicit Facts(const Joints& joints);

  int frames;
  double forward, left;          // from start to end, seen from how the body faces at the start
  double reach;                  // farthest from the start, over the floor
  double speed;                  // the highest over half a second, metres a second
  double turned;                 // heading at the end against the start, to the left
  FrameValues pelvis;            // height
  FrameValues lean;              // of the trunk against the vertical
  FrameValues feet_apart;        // distance of the ankles to the side
  FrameValues clearance;         // of the lower toe
  std::array<ArmFacts, 2> arms;  // left, right
  std::array<LegFacts, 2> legs;
};

double minimum(const FrameValues& s);
double maximum(const FrameValues& s);
double median(FrameValues s);
double start_of(const FrameValues& s);  // mean of the first and the last five frames
double end_of(const FrameValues& s);
// How often the series rises above `high` after having been below `low`.
int count_peaks(const FrameValues& s, double low, double high);
// How often it changes direction by at least `size`.
int count_reversals(const FrameValues& s, double size);

}  // namespace kg
