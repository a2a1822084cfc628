#include "tools/common/generation.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "data/export/bvh_writer.h"
#include "data/export/picture.h"
#include "data/formats/npy.h"
#include "data/motion/features.h"

namespace kg {
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

std::vector<Generated> generate_motions(T2mGpt& model, const std::vector<std::string>& prompts,
                                        const GenerationOptions& options) {
  std::vector<Generated> all;
  std::vector<uint64_t> streams;
  for (size_t p = 0; p < prompts.size(); ++p)
    for (int r = 0; r < options.repeat; ++r) {
      const std::string suffix = options.repeat > 1 ? "_" + std::to_string(r) : "";
      all.push_back({prompts[p], three_digits(p) + "_" + slug(prompts[p]) + suffix, {}, {}});
      streams.push_back((uint64_t(p) << 20) + uint64_t(r));
    }
  for (size_t first = 0; first < all.size(); first += size_t(options.batch)) {
    const size_t last = std::min(all.size(), first + size_t(options.batch));
    std::vector<std::string> captions;
    for (size_t i = first; i < last; ++i) captions.push_back(all[i].prompt);
    const std::vector<uint64_t> part(streams.begin() + int64_t(first), streams.begin() + int64_t(last));
    const std::vector<Tensor> motions = model.generate(captions, part, options.sampling);
    for (size_t i = first; i < last; ++i) {
      all[i].features = motions[i - first];
      all[i].joints = features_to_joints(all[i].features);
    }
  }
  return all;
}

void write_motion(const std::filesystem::path& folder, const Generated& m, const OutputFormats& formats) {
  if (formats.npy) {
    write_npy(folder / (m.name + ".npy"), to_tensor(m.joints));
    write_npy(folder / (m.name + "_features.npy"), m.features);
  }
  if (formats.bvh) write_bvh(folder / (m.name + ".bvh"), m.joints);
  if (formats.png) write_film_strip(folder / (m.name + ".png"), m.joints, kFps, m.prompt);
  if (formats.gif) write_gif(folder / (m.name + ".gif"), m.joints, kFps, m.prompt);
}

int64_t parse_length(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string unit(end, text.data() + text.size());
  if (error != std::errc() || (unit != "s" && unit != "f") || !(value > 0))
    fail(ErrorCode::usage, "--length \"", text, "\" must be seconds or frames, such as 4s or 80f");
  const double frames = unit == "s" ? value * kFps : value;
  return int64_t(std::ceil(std::min(frames, 1e9) / double(kFramesPerToken)));
}

void check_length(int64_t tokens, int64_t max_tokens) {
  const int64_t frames = tokens * kFramesPerToken, most = max_tokens * kFramesPerToken;
  if (tokens > max_tokens)
    fail(ErrorCode::usage, "--length of ", frames, " frames is above this model's ", most, " (", double(most) / kFps,
         " s)");
}

void check_prompts(const std::vector<std::string>& prompts) {
  for (size_t i = 0; i < prompts.size(); ++i)
    CHECK_INPUT(!split_words(prompts[i]).empty(), "prompt ", i + 1, " (\"", prompts[i],
                "\") holds no word; write what the person does");
}

void warn_unread_words(const TextEncoder& text, const std::vector<std::string>& prompts) {
  const auto* words = dynamic_cast<const WordTransformer*>(&text);
  if (!words) return;
  for (const std::string& prompt : prompts) {
    std::string list;
    for (const std::string& word : words->vocabulary().unknown_words(prompt)) list += (list.empty() ? "" : ", ") + word;
    const size_t length = split_words(prompt).size(), read = size_t(words->config().max_words);
    if (length > read)
      std::fprintf(stderr, "note: a prompt has %zu words; the model reads the first %zu\n", length, read);
    if (!list.empty())
      std::fprintf(stderr, "note: \"%s\": the model has never seen: %s\n", prompt.c_str(), list.c_str());
  }
}

}  // namespace kg
