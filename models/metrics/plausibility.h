// Whether a motion looks like one of a body on a floor at y = 0: sliding feet, joints below the floor, jitter. From
// joints alone, one clip each; no reference is needed, and real captures are not at zero: compare with theirs. Results
// are in metres or millimetres whatever the skeleton's unit is, as far as its metres_per_unit is right.
#pragma once

#include "data/motion/skeleton.h"

namespace kg {

// The part of frame steps in which a foot slides, as in GMD (Karunratanakul et al., "Guided Motion Diffusion", ICCV
// 2023, section 5): a toe joint below `contact_height` in both frames moves horizontally faster than `speed`, by itself
// and in the mean of `window` steps around (steps beyond the ends count as 0). At least 2 frames.
struct SkateOptions {
  double contact_height = .05;  // metres
  double speed = .5;            // metres a second: 2.5 cm a frame of 20 fps
  int window = 5;
};
double foot_skate_ratio(const Joints& joints, const Skeleton& skeleton = humanml3d(), const SkateOptions& options = {});

// Mean over frames of how far the lowest joint is below the floor, in millimetres; depths up to `tolerance` (metres)
// count as 0, as in PhysDiff (Yuan et al., ICCV 2023, section 4). There it is the lowest vertex of a body mesh.
double floor_penetration(const Joints& joints, const Skeleton& skeleton = humanml3d(), double tolerance = .005);

// Mean length of the third derivative (jerk) of all joints' positions, m/s^3, by differences; the jitter of TransPose
// (Yi et al., SIGGRAPH 2021, section 5), which prints it in km/s^3. At least 4 frames.
double jitter(const Joints& joints, const Skeleton& skeleton = humanml3d());

}  // namespace kg
