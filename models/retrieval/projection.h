// The projection head of MotionPatches (Yu et al., CVPR 2024) and what was built on it, from an encoder's feature to
// the common space: p = W1 x, y = LayerNorm(p + Dropout(W2 GELU(p))).
#pragma once

#include "nn/dropout.h"
#include "nn/linear.h"
#include "nn/norm.h"

namespace kg {

class ProjectionHead : public Module {
 public:
  ProjectionHead(int64_t in, int64_t out, double dropout)
      : projection(in, out), fc(out, out), dropout(dropout), layer_norm(out) {
    reg("projection", projection);
    reg("fc", fc);
    reg("dropout", this->dropout);
    reg("layer_norm", layer_norm);
  }
  Var operator()(const Var& x) const {  // (B, in) -> (B, out)
    const Var p = projection(x);
    return layer_norm.residual(p, fc(gelu(p)), training() ? dropout.p : 0).norm;
  }

  Linear projection, fc;
  Dropout dropout;
  LayerNorm layer_norm;
};

}  // namespace kg
