// Biovision hierarchy files: any tree of joints, any channel order or subset, positions on any joint.
// Units are the file's own (usually centimetres and degrees). The parser takes nothing on trust: every error names the
// file and the line, and what it stores is bounded by a small multiple of the text's length.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/motion/vec.h"

namespace kg {

enum class Channel : uint8_t { x_position, y_position, z_position, x_rotation, y_rotation, z_rotation };

struct BvhJoint {
  std::string name;  // an End Site is named after its parent: "Head_end"
  int parent = -1;   // always less than the joint's own index; -1 for a root
  Vec3 offset;
  std::vector<Channel> channels;  // in the file's order, which is also the order of rotations
  int first_channel = 0;          // column of channels[0] in a frame
  bool is_end_site = false;
};

struct Bvh {
  std::vector<BvhJoint> joints;  // parents before children
  int channels = 0;              // values in a frame
  int frames = 0;
  double frame_time = 0;       // seconds
  std::vector<double> values;  // (frames, channels)
};

// Global placement of every joint, End Sites included. A vector v of joint j's frame is rotate(orientations[j], v).
struct BvhPose {
  std::vector<Vec3> positions;
  std::vector<Quat> orientations;
};

Bvh read_bvh(const std::filesystem::path& path);
Bvh parse_bvh(std::string_view text, const std::string& name);

// A position channel replaces that component of the joint's offset; rotations R = R_c1 R_c2 R_c3 in channel order.
BvhPose global_pose(const Bvh& bvh, int frame);
std::vector<Vec3> global_positions(const Bvh& bvh, int frame);

}  // namespace kg
