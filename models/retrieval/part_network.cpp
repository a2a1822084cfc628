#include "models/retrieval/part_network.h"

#include "data/motion/features.h"

namespace kg {
namespace {
int64_t part_count(const Skeleton& body) { return int64_t(part_features(body).size()); }
}  // namespace

PartNetwork::PartNetwork(const PartNetworkConfig& c, const Skeleton& body, int64_t text_width)
    : config_(c),
      motion_encoder(part_features(body), c.frames, c.part),
      motion_projection(part_count(body) * c.part.width, c.projection, c.head_dropout),
      text_projection(text_width, c.projection, c.head_dropout) {
  reg("motion_encoder", motion_encoder);
  reg("motion_projection", motion_projection);
  reg("text_projection", text_projection);
}

Var PartNetwork::motion(const MotionInput& x) const {
  CHECK(x.frames.rank() == 3 && x.frames.size(1) == config_.frames, "[part network] motions must be (batch, ",
        config_.frames, ", features), are ", x.frames.shape());
  const Var frames(x.frames.to(dtype()));
  return motion_projection(motion_encoder(frames, config_.mask_padding ? x.mask : Tensor()));
}

Var PartNetwork::text(const Var& states, const Tensor& mask) const {
  const Var s = in_dtype(states, dtype());
  if (config_.pool == TextPool::first) return text_projection(select(s, 1, 0));
  const Tensor real = mask.to(s.dtype()).reshape({s.size(0), s.size(1), 1});
  return text_projection(sum(s * Var(div(real, sum(real, {1}, true))), {1}));
}

}  // namespace kg
