// What the judge measures on a motion: lengths in metres above the floor, angles in degrees, one value a frame.
#pragma once

#include <array>
#include <vector>

#include "data/motion/skeleton.h"

namespace kg {

using Series = std::vector<double>;

struct ArmFacts {
  Series raised;       // wrist above shoulder over arm length: -1 hanging, 0 level, 1 overhead
  Series extension;    // wrist to shoulder over arm length: 1 straight
  Series forward;      // reach before the shoulder over arm length
  Series waving;       // wrist left of the elbow, metres
  Series above_elbow;  // wrist above the elbow, metres
};
struct LegFacts {
  Series toe, ankle;  // above the floor
  Series forward;     // ankle before the pelvis
};

struct Facts {
  explicit Facts(const Joints& joints);

  int frames;
  double forward, left;          // from start to end, seen from how the body faces at the start
  double reach;                  // farthest from the start, over the floor
  double speed;                  // the highest over half a second, metres a second
  double turned;                 // heading at the end against the start, to the left
  Series pelvis;                 // height
  Series lean;                   // of the trunk against the vertical
  Series feet_apart;             // distance of the ankles to the side
  Series clearance;              // of the lower toe
  std::array<ArmFacts, 2> arms;  // left, right
  std::array<LegFacts, 2> legs;
};

double minimum(const Series& s);
double maximum(const Series& s);
double median(Series s);
double start_of(const Series& s);  // mean of the first and the last five frames
double end_of(const Series& s);
// How often the series rises above `high` after having been below `low`.
int count_peaks(const Series& s, double low, double high);
// How often it changes direction by at least `size`.
int count_reversals(const Series& s, double size);

}  // namespace kg
