// A body of ten joints with a skeleton file and BVH files of its own: neither HumanML3D's nor KIT-ML's.
// Centimetres, y up, facing +z; each foot is a single bone. The files have joints that the skeleton does not name.
#pragma once

#include <cmath>
#include <sstream>
#include <string>

namespace kg::test {

constexpr int kStickJoints = 10, kStickFeatures = 119;  // 12 * 10 - 1

// `lengths`: of the bones that the BVH files have, or none.
inline std::string stick_skeleton(bool lengths) {
  const auto joint = [&](const char* name, const char* parent, const char* mirror, const char* direction,
                         double length) {
    std::ostringstream text;
    text << ", {\"name\": \"" << name << "\", \"parent\": \"" << parent << '"';
    if (*mirror) text << ", \"mirror\": \"" << mirror << '"';
    text << ", \"direction\": " << direction;
    if (lengths) text << ", \"length\": " << length;
    return text.str() + "}";
  };
  const char *left = "[1, 0, 0]", *right = "[-1, 0, 0]", *down = "[0, -1, 0]", *ahead = "[0, 0, 1]";
  return R"({"name": "stick", "fps": 30, "metres_per_unit": 0.01, "joints": [{"name": "Hips"})" +
         joint("LegL", "Hips", "LegR", left, 10) + joint("FootL", "LegL", "FootR", down, 80) +
         joint("ToeL", "FootL", "ToeR", ahead, 15) + joint("LegR", "Hips", "LegL", right, 10) +
         joint("FootR", "LegR", "FootL", down, 80) + joint("ToeR", "FootR", "ToeL", ahead, 15) +
         joint("Chest", "Hips", "", "[0, 1, 0]", 45) + joint("ArmL", "Chest", "ArmR", left, 20) +
         joint("ArmR", "Chest", "ArmL", right, 20) + R"(],
    "chains": [["Hips", "LegR", "FootR", "ToeR"], ["Hips", "LegL", "FootL", "ToeL"],
               ["Hips", "Chest", "ArmL"], ["Chest", "ArmR"]],
    "hips": ["LegL", "LegR"], "shoulders": ["ArmL", "ArmR"], "scale_joints": ["FootL", "FootR"],
    "contacts": ["FootL", "ToeL", "FootR", "ToeR"], "contact_threshold": 4, "min_frames": 20, "max_frames": 150})";
}

// A walk that sways and turns, of `frames` frames at `fps`; `kind` makes clips differ.
inline std::string stick_bvh(int frames, double fps, int kind) {
  std::ostringstream text;
  const char* turn = "CHANNELS 3 Zrotation Xrotation Yrotation\n";
  text << "HIERARCHY\nROOT World\n{\nOFFSET 0 0 0\nCHANNELS 0\nJOINT Hips\n{\nOFFSET 0 0 0\n"
       << "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n";
  for (const char* side : {"L", "R"})
    text << "JOINT Leg" << side << "\n{\nOFFSET " << (*side == 'L' ? 10 : -10) << " 0 0\n"
         << turn << "JOINT Foot" << side << "\n{\nOFFSET 0 -80 0\n"
         << turn << "JOINT Toe" << side << "\n{\nOFFSET 0 -9 12\n"
         << turn << "End Site\n{\nOFFSET 0 0 5\n}\n}\n}\n}\n";
  text << "JOINT Chest\n{\nOFFSET 0 45 0\n"
       << turn << "JOINT ArmL\n{\nOFFSET 20 0 0\n"
       << turn << "End Site\n{\nOFFSET 0 -60 0\n}\n}\nJOINT ArmR\n{\nOFFSET -20 0 0\n"
       << turn << "End Site\n{\nOFFSET 0 -60 0\n}\n}\n}\n}\n}\nMOTION\nFrames: " << frames
       << "\nFrame Time: " << 1 / fps << '\n';
  for (int t = 0; t < frames; ++t) {
    const double s = t / fps, swing = 25 * std::sin(5 * s + kind), lift = 2 * std::cos(10 * s);
    text << 20 * std::sin(s) << ' ' << 90 + lift << ' ' << 70 * s << " 0 0 " << 30 * std::sin(.8 * s + kind);  // Hips
    for (const double side : {1., -1.})
      text << " 3 " << side * swing << " 0 0 " << 10 + side * swing / 2 << " 0 0 0 0";  // leg, foot, toe
    text << " 2 5 " << 10 * std::sin(2 * s) << " 0 0 0 0 0 0\n";                        // chest, arms
  }
  return text.str();
}

}  // namespace kg::test
