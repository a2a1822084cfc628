// A system that is as small as one can be, to show what a system costs: one linear layer from the number of words of a
// caption and the place in time, (T, 2), to normalised features (T, D). Requests must say how long a motion is.
#pragma once

#include <algorithm>

#include "data/text/words.h"
#include "models/model_file.h"
#include "models/text_to_motion.h"
#include "nn/linear.h"

namespace kg {

class StandIn : public TextToMotion {
 public:
  static constexpr const char* kKind = "standin";
  static constexpr int64_t kMostFrames = 200;
  struct Settings {
    double gain = 1;
  };
  Settings settings;

  explicit StandIn(const Skeleton& skeleton) : net(2, skeleton.features()), body(skeleton) {}

  Abilities abilities() const override { return {.own_length = false}; }
  int64_t max_frames() const override { return kMostFrames; }
  const Skeleton& skeleton() const override { return body; }
  void to(Device device) override { net.to(device); }
  static Tensor inputs(const std::string& caption, int64_t frames) {
    const Tensor x = Tensor::full({frames, 2}, double(split_words(caption).size()) / 10);
    for (int64_t t = 0; t < frames; ++t) x.data<float>()[2 * t + 1] = float(t) / kMostFrames;
    return x;
  }
  std::vector<Tensor> generate(const std::vector<MotionRequest>& requests, uint64_t) override {
    NoGrad guard;
    std::vector<Tensor> motions;
    for (const MotionRequest& r : requests) {
      if (r.beginning.defined() || r.end.defined()) refuse("complete motions");
      const Tensor x = net(Var(inputs(r.caption, r.frames).to(net.device()))).value;
      motions.push_back(denormalize_features(affine(x, settings.gain, 0).to(Device::cpu), statistics));
    }
    return motions;
  }

  static SystemInfo info() {
    return {.name = kKind,
            .title = "Stand-in",
            .kind = kKind,
            .stages = {{"train_standin", "standin", "", 5, [](const std::string&) { return int64_t{10}; }}},
            .imports = {{.name = "standin-public",
                         .help = "the stand-in's published weights",
                         .kind = kKind,
                         .needs_statistics = true,
                         .make = import_public}},
            .published_in = "nowhere",
            .published = {{"FID", 1.25, kNotPublished, ".002"}}};
  }
  static TensorFile import_public(const ImportSource& source) {
    StandIn model(humanml3d());
    model.net.load_state_dict(source.weights, source.file);
    model.statistics = read_eval_statistics(source.statistics);
    return model.save();
  }
  static std::unique_ptr<StandIn> open(const TensorFile& file, const TextEncoderChoice&, const std::string& source) {
    const int64_t features = read_statistics(file, source).features();
    auto model = std::make_unique<StandIn>(read_skeleton(file, features, source));
    model->load(file, source);
    return model;
  }
  TensorFile save() const {
    TensorFile file;
    append(file, "net.", net.state_dict());
    append_statistics(file, statistics);
    append_skeleton(file, body);
    return file;
  }
  void load(const TensorFile& file, const std::string& source) {
    take_statistics(statistics, file, source);
    net.load_state_dict(extract(file, "net."), source);
  }

  Linear net;
  Skeleton body;
  Statistics statistics;
};
template <class V>
void fields(StandIn::Settings& s, V&& v) {
  v(Field{"gain", "gain", "of the movement", at_least(0)}, s.gain);
}

}  // namespace kg
