// How a stage of a system is trained: everything that changes the result beside the model's own sizes and losses.
#pragma once

#include "nn/schedule.h"

namespace kg {

// Every system comes in these sizes: as published, and narrower ones for CPUs.
inline constexpr const char* kPresets[] = {"paper", "small", "tiny"};

struct Recipe {
  int64_t batch = 64;        // items a step, of all processes together
  int64_t max_iters = 1000;  // 0: as many as `epochs` have
  int64_t epochs = 0;        // passes over the data
  Schedule schedule;
  double beta1 = 0.9, beta2 = 0.999, weight_decay = 0;
  double clip = 0;           // the gradient's norm is scaled down to this; 0: it is not clipped
  bool clip_groups = false;  // the norm is that of each parameter group
  double average = 0;  // decay of a moving average of the weights, which is evaluated and saved beside them; 0: none
  int64_t eval_every = 500, save_every = 500;
};

template <class V>
void fields(Recipe& r, V&& v) {
  v(Field{"batch", "b,batch-size,bs,batch", "items a step", between(1, 65536)}, r.batch);
  v(Field{"max_iters", "max-iters,total-iter,iters", "steps; 0: as many as the epochs have", at_least(0)}, r.max_iters);
  v(rare({"epochs", "epochs", "passes over the data, where the steps are 0", at_least(0)}), r.epochs);
  fields(r.schedule, v);
  v(rare({"beta1", "beta1", "of AdamW", between(0, 0.9999)}), r.beta1);
  v(rare({"beta2", "beta2", "of AdamW", between(0, 0.99999)}), r.beta2);
  v(Field{"weight_decay", "weight-decay", "decoupled weight decay", at_least(0)}, r.weight_decay);
  v(rare({"clip", "clip", "largest norm of the gradient; 0: any", at_least(0)}), r.clip);
  v(Field{"clip_groups"}, r.clip_groups);
  v(rare({"average", "average", "decay of the weights' moving average; 0: none", between(0, 0.999999)}), r.average);
  v(Field{"eval_every", "eval-every,eval-iter", "steps between validations", at_least(1)}, r.eval_every);
  v(rare({"save_every", "save-every,save-iter", "steps between checkpoints", at_least(1)}), r.save_every);
}

}  // namespace kg
