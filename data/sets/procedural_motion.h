// Inside the built-in set: what one clip is before it becomes joints. Each action has a function that turns its
// parameters and the dice (hidden variation: build, timing, size) into a Script.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/sets/procedural.h"
#include "data/sets/procedural_body.h"
#include "data/sets/procedural_curves.h"

namespace kg {

struct Script {
  double seconds = 2;                    // until the action is over; the clip may stay a little longer
  std::function<BodyPose(double)> pose;  // at time t
  bool keep_within_reach = true;         // see procedural_body.h; off where the feet leave the floor
  double idle = 1;                       // size of the small movements of standing still
};

// How this person stands.
struct Stance {
  double half_width = 0.1;  // of the feet, metres
  double toe_out = 8;       // degrees
  ArmPose arm{2, 8, 5, 15};
  double tempo = 1;       // durations are multiplied by it
  BodyPose pose() const;  // standing at the origin, facing +z
};

Stance roll_stance(Dice& dice, Speed speed);

Script make_walk(const MotionParameters& p, Dice& dice);  // walk, run, circle, sidestep, turn
Script make_run(const MotionParameters& p, Dice& dice);
Script make_circle(const MotionParameters& p, Dice& dice);
Script make_sidestep(const MotionParameters& p, Dice& dice);
Script make_turn(const MotionParameters& p, Dice& dice);
Script make_crawl(const MotionParameters& p, Dice& dice);
Script make_jump(const MotionParameters& p, Dice& dice);
Script make_hop(const MotionParameters& p, Dice& dice);
Script make_jumping_jack(const MotionParameters& p, Dice& dice);
Script make_wave(const MotionParameters& p, Dice& dice);
Script make_raise_arm(const MotionParameters& p, Dice& dice);
Script make_punch(const MotionParameters& p, Dice& dice);
Script make_kick(const MotionParameters& p, Dice& dice);
Script make_squat(const MotionParameters& p, Dice& dice);
Script make_sit(const MotionParameters& p, Dice& dice);  // and stand_up
Script make_bow(const MotionParameters& p, Dice& dice);

MotionParameters roll_parameters(Dice& dice);
std::vector<MotionParameters> all_parameters();  // every combination that the set contains
std::string make_caption(const MotionParameters& p, Dice& dice);

}  // namespace kg
