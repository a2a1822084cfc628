// BVH files -> clips: reading, retargeting, spans of captions, cutting.
#include "data/sets/captures.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "data/text/pos_tagger.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace kg {
namespace {

namespace fs = std::filesystem;

// Rows [begin, end) of a motion and the captions that speak of them.
struct Span {
  int begin = 0, end = 0;
  std::vector<std::string> captions;
};

double rate(const CaptureOptions& options) { return options.native ? options.native->fps : kFps; }

std::string seconds_text(double frames, const CaptureOptions& options) {
  std::ostringstream text;
  text.precision(1);
  text << std::fixed << frames / rate(options) << " s";
  return text.str();
}

void remark(std::string& remarks, const std::string& text) { remarks += (remarks.empty() ? "" : "; ") + text; }

// Captions by what they speak of, whole motion first.
std::vector<Span> spans_of(const std::vector<CaptionRow>& rows, int frames, const CaptureOptions& options,
                           std::string& remarks) {
  const auto frame_of = [&](double seconds) { return int(std::min(seconds * rate(options), 1e9)); };
  std::map<std::pair<int, int>, std::vector<std::string>> by_place;
  for (const CaptionRow& row : rows) {
    const bool whole = row.start == 0 && row.end == 0;
    const int begin = frame_of(row.start), end = whole ? frames : frame_of(row.end);
    if (begin >= frames) {
      remark(remarks, "caption outside: line " + std::to_string(row.line) + " starts after the end");
      continue;
    }
    by_place[{begin, -std::min(end, frames)}].push_back(row.caption);
  }
  std::vector<Span> spans;
  for (auto& [place, captions] : by_place) spans.push_back({place.first, -place.second, std::move(captions)});
  return spans;
}

// A span in equal pieces of at most max_frames; nothing when it is too short, or too long to be taken uncut.
std::vector<Span> cut(const Span& span, const CaptureOptions& options, std::string& remarks) {
  const int length = span.end - span.begin;
  if (length < options.min_frames) {
    remark(remarks,
           "too short: " + seconds_text(length, options) + ", needs " + seconds_text(options.min_frames, options));
    return {};
  }
  if (length <= options.max_frames) return {span};
  if (!options.cut) {
    remark(remarks,
           "too long: " + seconds_text(length, options) + ", at most " + seconds_text(options.max_frames, options));
    return {};
  }
  const int pieces = (length + options.max_frames - 1) / options.max_frames;
  std::vector<Span> parts;
  for (int i = 0; i < pieces; ++i)
    parts.push_back({span.begin + length * i / pieces, span.begin + length * (i + 1) / pieces, span.captions});
  remark(remarks, "cut: " + seconds_text(length, options) + " in " + std::to_string(pieces));
  return parts;
}

std::vector<Caption> whole_captions(const std::vector<std::string>& texts, bool mirrored) {
  std::vector<Caption> captions;
  for (const std::string& text : texts) {
    const std::string caption = mirrored ? mirrored_text(text) : text;
    captions.push_back({caption, tag_caption(caption)});
  }
  return captions;
}

// One file with its captions.
struct Job {
  fs::path path;
  std::string name;
  std::vector<CaptionRow> captions;
  std::vector<Clip> clips;
  CaptureOutcome outcome;
};

void make_clips(Job& job, const Joints& joints, const CaptureOptions& options) {
  const int rows = int(joints.size()) - 1;  // of features
  std::vector<Span> parts;
  for (const Span& span : spans_of(job.captions, rows, options, job.outcome.remark))
    for (Span& part : cut(span, options, job.outcome.remark)) parts.push_back(std::move(part));
  for (size_t i = 0; i < parts.size(); ++i) {
    Clip clip;
    clip.name = parts.size() == 1 ? job.name : job.name + '-' + std::to_string(i + 1);
    clip.source = job.name;
    clip.note = seconds_text(parts[i].begin, options) + " to " + seconds_text(parts[i].end, options);
    clip.joints.assign(joints.begin() + parts[i].begin, joints.begin() + parts[i].end + 1);
    clip.captions = whole_captions(parts[i].captions, false);
    if (options.mirror) clip.mirrored_captions = whole_captions(parts[i].captions, true);
    job.clips.push_back(std::move(clip));
  }
  job.outcome.clips = int(job.clips.size());
}

Joints motion_of(const Bvh& bvh, const std::string& file, const CaptureOptions& options) {
  if (options.native) return native_motion(bvh, *options.native, file);
  return retarget(bvh, options.map ? *options.map : find_joint_map(bvh, file), file);
}

void run(Job& job, const CaptureOptions& options) {
  job.outcome.name = job.name;
  if (job.captions.empty()) {
    job.outcome.remark = "no caption";
    return;
  }
  try {
    Bvh bvh = read_bvh(job.path);
    if (options.source_fps > 0) bvh.frame_time = 1 / options.source_fps;
    job.outcome.fps = 1 / bvh.frame_time;
    job.outcome.seconds = bvh.frames * bvh.frame_time;
    make_clips(job, motion_of(bvh, job.path.string(), options), options);
  } catch (const Error& error) {
    if (error.code != ErrorCode::input) throw;
    job.outcome.remark = std::string("cannot be used: ") + error.what();
  }
}

std::vector<Job> list_jobs(const fs::path& folder) {
  std::vector<Job> jobs;
  std::map<std::string, fs::path> seen;
  for (const fs::path& path : find_bvh_files(folder)) {
    const std::string name = path.stem().string();
    const auto [other, is_new] = seen.emplace(name, path);
    CHECK_INPUT(is_new, "two files are called ", name, ": ", other->second.string(), " and ", path.string());
    jobs.push_back({path, name, {}, {}, {}});
  }
  return jobs;
}

}  // namespace

std::vector<fs::path> find_bvh_files(const fs::path& folder) {
  std::error_code error;
  const bool is_folder = fs::is_directory(folder, error);
  CHECK_INPUT(is_folder, folder.string(), ": ", error ? error.message() : "no folder of this name");
  std::vector<fs::path> files;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error);
  CHECK_INPUT(!error, folder.string(), ": ", error.message());
  for (; it != fs::recursive_directory_iterator(); it.increment(error)) {
    CHECK_INPUT(!error, folder.string(), ": ", error.message());
    const std::string extension = it->path().extension().string();
    if ((extension == ".bvh" || extension == ".BVH") && it->is_regular_file()) files.push_back(it->path());
  }
  CHECK_INPUT(!files.empty(), folder.string(), ": no .bvh file in it");
  std::sort(files.begin(), files.end());
  return files;
}

Captures collect_captures(const fs::path& folder, const std::vector<CaptionRow>& captions,
                          const CaptureOptions& options) {
  std::vector<Job> jobs = list_jobs(folder);
  std::map<std::string, Job*> by_name;
  for (Job& job : jobs) by_name[job.name] = &job;
  std::map<std::string, int> unknown;
  for (const CaptionRow& row : captions) {
    const auto job = by_name.find(row.name);
    if (job != by_name.end()) {
      job->second->captions.push_back(row);
      continue;
    }
    CHECK_INPUT(options.unknown_captions, row.file, ", line ", row.line, ": ", folder.string(), " has no file ",
                row.name, ".bvh; correct the name, or leave such captions out with --skip-unknown");
    ++unknown[row.name];
  }
  parallel_for(int64_t(jobs.size()), 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) run(jobs[size_t(i)], options);
  });
  Captures captures;
  for (Job& job : jobs) {
    for (Clip& clip : job.clips) captures.clips.push_back(std::move(clip));
    captures.outcomes.push_back(std::move(job.outcome));
  }
  if (options.native) captures.skeleton = *options.native;
  if (captures.skeleton.bone_lengths.empty() && !captures.clips.empty())
    captures.skeleton = measured(captures.skeleton, captures.clips[0].joints[0]);
  for (const auto& [name, count] : unknown) captures.outcomes.push_back({name, 0, 0, 0, "no such file"});
  return captures;
}

}  // namespace kg
