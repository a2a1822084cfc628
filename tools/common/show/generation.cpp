#include "tools/common/show/generation.h"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "data/export/bvh_writer.h"
#include "data/export/picture.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"
#include "data/text/words.h"
#include "models/tokenizer/vqvae.h"

namespace kg::tools {
namespace {

// Lower-case letters and digits of a prompt, joined by '_', at most 40.
std::string slug(const std::string& prompt) {
  std::string s;
  for (const std::string& word : split_words(prompt)) {
    std::string ascii;
    for (char c : word)
      if (static_cast<unsigned char>(c) < 0x80) ascii += c;
    if (ascii.empty()) continue;
    if (s.size() + 1 + ascii.size() > 40) break;
    s += (s.empty() ? "" : "_") + ascii;
  }
  return s.empty() ? "motion" : s;
}

std::string three_digits(size_t n) {
  const std::string digits = std::to_string(n);
  return std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
}

}  // namespace

std::vector<Generated> generate_motions(TextToMotion& model, const std::vector<std::string>& prompts,
                                        const GenerationOptions& options) {
  std::vector<Generated> all;
  std::vector<MotionRequest> requests;
  for (size_t p = 0; p < prompts.size(); ++p)
    for (int r = 0; r < options.repeat; ++r) {
      const std::string suffix = options.repeat > 1 ? "_" + std::to_string(r) : "";
      all.push_back({prompts[p], three_digits(p) + "_" + slug(prompts[p]) + suffix, {}, {}});
      requests.push_back({prompts[p], (uint64_t(p) << 20) + uint64_t(r), options.frames});
    }
  for (size_t first = 0; first < all.size(); first += size_t(options.batch)) {
    const size_t last = std::min(all.size(), first + size_t(options.batch));
    const std::vector<Tensor> motions =
        model.generate({requests.begin() + int64_t(first), requests.begin() + int64_t(last)}, options.seed);
    for (size_t i = first; i < last; ++i) {
      all[i].features = motions[i - first];
      all[i].joints = features_to_joints(all[i].features, model.skeleton());
      if (model.abilities().retrieves) all[i].retrieved = model.retrieved(requests[i]);
    }
  }
  return all;
}

MotionRequest completion_request(const GivenMotion& clip, const TextToMotion& model, const GenerationOptions& options) {
  const bool between = clip.task == CompletionTask::between;
  const double share = clip.share > 0 ? clip.share : given_share(clip.task);
  if (between && share >= .5)
    fail(ErrorCode::usage, "--given-share ", share, ": a share of the clip at each end, which must be below 0.5");
  if (between && options.frames > 0)
    fail(ErrorCode::usage, "--length: with --task between the motion is as long as the clip; leave it out");
  const int64_t frames = clip.features.size(0);
  const auto missing = missing_frames(clip.task, frames, share);
  CHECK_INPUT(missing, clip.file, ": ", frames, " frames are too few to give ", share, " of them",
              between ? " at each end" : "", "; give at least ", fewest_frames(clip.task, share));
  const int64_t whole = frames / kFramesPerToken * kFramesPerToken;
  CHECK_INPUT(whole <= model.max_frames() || options.frames > 0, clip.file, ": ", frames,
              " frames, but this model makes ", model.max_frames(), " at most; cut the clip",
              between ? "" : ", or give --length");
  if (options.frames > 0 && options.frames <= missing->begin)
    fail(ErrorCode::usage, "--length of ", options.frames, " frames: ", missing->begin, " frames of ", clip.file,
         " are given already");
  MotionRequest r;
  r.frames = options.frames > 0 ? options.frames : whole;
  r.beginning = clip.features.slice(0, 0, missing->begin).contiguous();
  if (between) r.end = clip.features.slice(0, missing->end, whole).contiguous();
  return r;
}

std::vector<Generated> complete_motions(TextToMotion& model, const GivenMotion& clip,
                                        const std::vector<std::string>& prompts, const GenerationOptions& options) {
  const MotionRequest common = completion_request(clip, model, options);
  const std::string stem = slug(std::filesystem::path(clip.file).stem().string());
  const bool between = clip.task == CompletionTask::between;
  std::vector<Generated> all;
  std::vector<MotionRequest> requests;
  for (size_t p = 0; p < prompts.size(); ++p)
    for (int r = 0; r < options.repeat; ++r) {
      const std::string suffix = options.repeat > 1 ? "_" + std::to_string(r) : "";
      const std::string prompt =
          prompts[p].empty() ? (between ? "in between of " : "prediction of ") + stem : prompts[p];
      all.push_back({prompt, three_digits(p) + "_" + stem + (between ? "_between" : "_predicted") + suffix, {}, {}});
      requests.push_back(common);
      requests.back().caption = prompts[p], requests.back().stream = (uint64_t(p) << 20) + uint64_t(r);
    }
  std::vector<Generated> motions;
  const auto add = [&](Generated m, const Tensor& features) {
    m.features = features, m.joints = features_to_joints(features, model.skeleton());
    motions.push_back(std::move(m));
  };
  for (size_t first = 0; first < all.size(); first += size_t(options.batch)) {
    const size_t last = std::min(all.size(), first + size_t(options.batch));
    const std::vector<Completion> made =
        model.complete({requests.begin() + int64_t(first), requests.begin() + int64_t(last)}, options.seed);
    for (size_t i = first; i < last; ++i) {
      add(all[i], made[i - first].joined);
      all[i].name += "_alone", all[i].prompt += ", what the model wrote alone";
      add(all[i], made[i - first].alone);
    }
  }
  return motions;
}

OutputFormats parse_formats(const std::string& text) {
  OutputFormats formats{false, false, false, false, false};
  const std::pair<const char*, bool*> known[] = {{"npy", &formats.npy},
                                                 {"bvh", &formats.bvh},
                                                 {"png", &formats.png},
                                                 {"gif", &formats.gif},
                                                 {"html", &formats.html}};
  bool any = false;
  std::istringstream list(text);
  for (std::string name; std::getline(list, name, ',');) {
    bool found = false;
    for (const auto& [format, wanted] : known)
      if (name == format) *wanted = found = any = true;
    if (!found) fail(ErrorCode::usage, "--format: '", name, "' is none of npy, bvh, png, gif, html");
  }
  if (!any) fail(ErrorCode::usage, "--format: name at least one of npy, bvh, png, gif, html");
  return formats;
}

void write_motion(const std::filesystem::path& folder, const Generated& m, const OutputFormats& formats,
                  const Skeleton& skeleton) {
  if (formats.npy) {
    write_npy(folder / (m.name + ".npy"), to_tensor(m.joints));
    write_npy(folder / (m.name + "_features.npy"), m.features);
  }
  if (formats.bvh) write_bvh(folder / (m.name + ".bvh"), m.joints, skeleton.fps, skeleton);
  if (formats.png) write_film_strip(folder / (m.name + ".png"), m.joints, skeleton.fps, m.prompt, {}, skeleton);
  if (formats.gif) write_gif(folder / (m.name + ".gif"), m.joints, skeleton.fps, m.prompt, {}, skeleton);
}

MotionLength parse_length(const std::string& text) {
  if (text.empty()) return {};
  MotionLength length;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length.value);
  const std::string unit(end, text.data() + text.size());
  if (error != std::errc() || (unit != "s" && unit != "f") || !(length.value > 0))
    fail(ErrorCode::usage, "--length \"", text, "\" must be seconds or frames, such as 4s or 80f");
  length.seconds = unit == "s";
  return length;
}

int64_t frames_of(const MotionLength& length, const TextToMotion& model) {
  if (length.value == 0) {
    if (!model.abilities().own_length)
      fail(ErrorCode::usage, "this model does not decide how long a motion is; say so with --length, such as 4s");
    return 0;
  }
  const double fps = model.skeleton().fps, most = double(model.max_frames());
  const double frames = std::ceil(std::min(length.seconds ? length.value * fps : length.value, 1e9));
  if (frames > most)
    fail(ErrorCode::usage, "--length of ", int64_t(frames), " frames is above this model's ", int64_t(most), " (",
         most / fps, " s)");
  return int64_t(frames);
}

void check_prompts(const std::vector<std::string>& prompts) {
  for (size_t i = 0; i < prompts.size(); ++i)
    CHECK_INPUT(!split_words(prompts[i]).empty(), "prompt ", i + 1, " (\"", prompts[i],
                "\") holds no word; write what the person does");
}

void print_notes(const TextToMotion& model, const std::vector<std::string>& prompts) {
  for (const std::string& note : model.notes(prompts)) std::fprintf(stderr, "note: %s\n", note.c_str());
}

}  // namespace kg::tools
