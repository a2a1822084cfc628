// prepare_data: BVH files and captions, or the built-in procedural set -> a folder in HumanML3D's layout.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <map>

#include "data/sets/captures.h"
#include "data/sets/procedural_set.h"
#include "tensor/parallel.h"
#include "tools/common/cli/cli.h"
#include "tools/common/train/progress.h"

using namespace kg;
using namespace kg::tools;

namespace {

struct Options {
  std::filesystem::path bvh, captions, out, joint_map, skeleton;
  std::string print_joint_map;
  bool bandai = false, verbose = false, force = false, quiet = false;
  int procedural = 0, threads = 0;
  uint64_t seed = 0;
  double min_seconds = 2, max_seconds = 9.8;
  CaptureOptions capture;
  WriteOptions write;
};

std::string builtin_names() {
  std::string names;
  for (const BuiltinJointMap& map : kBuiltinJointMaps) names += (names.empty() ? "" : ", ") + std::string(map.name);
  return names;
}

void add_options(Cli& cli, Options& o) {
  cli.group("Source (one of --bvh and --procedural)");
  cli.add("bvh", &o.bvh, "folder of BVH files, read with its subfolders").value_name("DIR");
  cli.add("captions", &o.captions, "name <tab> caption, or name, source, start s, end s, caption").value_name("FILE");
  cli.add("bandai-captions", &o.bandai, "phrase captions from Bandai-Namco file names (synthetic)");
  cli.add("procedural", &o.procedural, "this many clips of the built-in set").range(0, 999999).value_name("N");
  cli.group("Result");
  cli.add("o,out", &o.out, "the data set's folder").value_name("DIR");
  cli.add("force", &o.force, "replace the data set that is there");
  cli.add("mirror", &o.capture.mirror, "do not add every clip with left and right exchanged");
  cli.add("test-share", &o.write.test_share, "of the sources, for testing").range(0, 0.9);
  cli.add("val-share", &o.write.val_share, "of the sources, for validation").range(0, 0.9);
  cli.add("seed", &o.seed, "of the split and the built-in set");
  cli.group("Captures");
  cli.add("joint-map", &o.joint_map, "which joint is which; default: found by the joints' names").value_name("FILE");
  cli.add("print-joint-map", &o.print_joint_map, "print a built-in one: " + builtin_names()).value_name("NAME");
  cli.add("skeleton", &o.skeleton, "the files' own joints as this JSON names them, not retargeted").value_name("FILE");
  cli.add("source-fps", &o.capture.source_fps, "frames a second, where the files are wrong; 0: theirs").range(0, 1000);
  cli.add("min-seconds", &o.min_seconds, "shorter clips are left out").range(0.1, 1000);
  cli.add("max-seconds", &o.max_seconds, "longer clips are cut in equal parts").range(0.1, 1000);
  cli.add("cut", &o.capture.cut, "leave longer clips out");
  cli.add("skip-unknown", &o.capture.unknown_captions, "allow captions of files that are not there");
  cli.group("Run");
  cli.add("threads,jobs,num-threads", &o.threads, "0: all cores; results do not depend on it").range(0, 4096);
  cli.add("verbose", &o.verbose, "a line for every file");
  cli.add("quiet", &o.quiet, "no progress lines");
}

void check_usage(const Options& o) {
  const auto require = [](bool condition, const char* text) {
    if (!condition) fail(ErrorCode::usage, text, "; see prepare_data --help");
  };
  require(!o.out.empty(), "--out is required");
  require(o.bvh.empty() == (o.procedural > 0), "give either --bvh DIR or --procedural N");
  require(o.bvh.empty() || o.bandai == o.captions.empty(), "--bvh needs either --captions FILE or --bandai-captions");
  require(o.write.test_share + o.write.val_share < 0.95, "--test-share and --val-share leave nothing to train on");
  require(o.skeleton.empty() || !o.bvh.empty(), "--skeleton is for --bvh");
  require(o.skeleton.empty() || o.joint_map.empty(), "--joint-map is for retargeting, which --skeleton turns off");
  require(o.min_seconds < o.max_seconds, "--min-seconds must be less than --max-seconds");
}

void print_row(const CaptureOutcome& o, int width) {
  std::cout << std::left << std::setw(width) << o.name << std::right << std::fixed;
  if (o.seconds > 0) {
    std::cout << std::setprecision(0) << std::setw(6) << o.fps << std::setprecision(1) << std::setw(7) << o.seconds
              << " s";
  } else {
    std::cout << std::setw(15) << "-      -  ";
  }
  std::cout << std::setw(7) << o.clips << "  " << o.remark << '\n';
}

// The table: every file of a small folder or with --verbose; else some of those that gave no clip, for each reason.
void print_outcomes(const std::vector<CaptureOutcome>& outcomes, bool verbose) {
  constexpr size_t kSmall = 40, kShown = 5;
  const bool all = verbose || outcomes.size() <= kSmall;
  size_t width = 4;
  for (const CaptureOutcome& o : outcomes) width = std::max(width, o.name.size());
  std::cout << std::left << std::setw(int(width)) << "file"
            << "  rate   length  clips  remark\n";
  std::map<std::string, size_t> reasons;
  for (const CaptureOutcome& o : outcomes) {
    size_t count = 0;
    if (!o.remark.empty())
      count = ++reasons[(o.clips ? "used, " : "left out, ") + o.remark.substr(0, o.remark.find(':'))];
    if (all || (o.clips == 0 && count <= kShown)) print_row(o, int(width));
  }
  for (const auto& [reason, count] : reasons) std::cout << count << ' ' << reason << '\n';
  if (!all) std::cout << "(--verbose lists all " << outcomes.size() << ")\n";
}

// A file whose rate is not the others' is often a wrong header.
void print_odd_rates(const std::vector<CaptureOutcome>& outcomes) {
  std::map<int, std::vector<std::string>> by_rate;
  for (const CaptureOutcome& o : outcomes)
    if (o.seconds > 0) by_rate[int(o.fps + 0.5)].push_back(o.name);
  if (by_rate.size() < 2) return;
  const auto usual = std::max_element(by_rate.begin(), by_rate.end(),
                                      [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  for (const auto& [rate, names] : by_rate) {
    if (rate == usual->first || names.size() * 5 > usual->second.size()) continue;
    std::cout << "note: " << names.size() << (names.size() == 1 ? " file says " : " files say ") << rate
              << " frames a second where most say " << usual->first << " (" << names.front()
              << (names.size() > 1 ? ", ..." : "") << "); if that is wrong, give --source-fps " << usual->first << '\n';
  }
}

std::vector<Clip> captured_clips(Options& o) {
  if (!o.joint_map.empty()) o.capture.map = read_joint_map(o.joint_map);
  if (!o.skeleton.empty()) o.capture.native = read_skeleton(o.skeleton);
  const Skeleton& skeleton = o.capture.native ? *o.capture.native : humanml3d();
  o.capture.min_frames = int(o.min_seconds * skeleton.fps + 0.5);
  o.capture.max_frames = int(o.max_seconds * skeleton.fps + 0.5);
  if (o.capture.native) {  // at another rate, more or fewer frames than the data set's readers take
    o.capture.min_frames = std::max(o.capture.min_frames, skeleton.min_frames);
    o.capture.max_frames = std::min(o.capture.max_frames, skeleton.max_frames);
  }
  Captures captures = collect_captures(
      o.bvh, o.bandai ? bandai_captions(find_bvh_files(o.bvh)) : read_caption_table(o.captions), o.capture);
  print_outcomes(captures.outcomes, o.verbose);
  print_odd_rates(captures.outcomes);
  CHECK_INPUT(!captures.clips.empty(), o.bvh.string(), ": no file gave a clip");
  o.write.skeleton = captures.skeleton;
  return std::move(captures.clips);
}

int print_joint_map(const std::string& name) {
  for (const BuiltinJointMap& map : kBuiltinJointMaps) {
    if (map.name != name) continue;
    std::cout << map.text;
    return 0;
  }
  fail(ErrorCode::usage, "--print-joint-map: there is no ", name, "; one of ", builtin_names());
}

int body(int argc, char** argv) {
  Options o;
  Cli cli("prepare_data", "Makes a data set in HumanML3D's layout from captures or from the built-in generator.",
          "prepare_data --bvh my/bvh --captions my/captions.tsv --out out/set");
  add_options(cli, o);
  if (!cli.parse(argc, argv)) return 0;
  if (!o.print_joint_map.empty()) return print_joint_map(o.print_joint_map);
  check_usage(o);
  check_target(o.out, o.force);
  set_threads(o.threads);
  const std::vector<Clip> clips =
      o.procedural > 0 ? procedural_clips(o.seed, o.procedural, o.capture.mirror) : captured_clips(o);
  Progress progress("writing", 0, int64_t(clips.size()), o.quiet);
  o.write.seed = o.seed;
  o.write.overwrite = o.force;
  o.write.progress = [&](int64_t done) { progress.update(done, {}); };
  const WriteReport report = write_humanml3d(o.out, clips, o.write);
  progress.finish();
  std::cout << report.clips << " clips (" << std::setprecision(1) << std::fixed
            << double(report.frames) / o.write.skeleton.fps / 60 << " minutes"
            << (o.capture.mirror ? ", half of them mirrored" : "") << "): train " << report.train << ", val "
            << report.val << ", test " << report.test << ", in " << o.out.string() << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return run_main(argc, argv, body); }
