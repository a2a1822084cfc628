// What retrieval finds: M clips with C captions, their features under one retriever, and where their frames are.
// One checkpoint file: motion (M, W) f32, text (C, W) f32, the captions of clip 0 first, then those of clip 1 ..., and
// columns of names, captions, lengths and tokens. It grows at the end, without training anything anew: what was there
// keeps its bytes and its numbers. An entry is a motion with a caption: a text key stands for its own caption, a motion
// key for the clip with its first caption.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "models/retrieval/index.h"

namespace kg {

struct MotionSet {
  std::string path, hash;  // of a data set in HumanML3D's layout
  bool operator==(const MotionSet&) const = default;
};

struct DatabaseClip {
  std::string name;  // no two clips of a database have the same
  // Its frames are begin ... begin + frames - 1 of SET/new_joint_vecs/FILE.npy, the set being a place in Database::sets.
  std::string file;
  int32_t set = 0, begin = 0, frames = 0;
  std::vector<std::string> captions;  // one at least
  std::vector<int32_t> tokens = {};   // of a motion tokenizer; empty: none
  bool operator==(const DatabaseClip&) const = default;
};

struct Database {
  std::string retriever;       // identity of what made the features
  std::string tokenizer = {};  // identity of what made the tokens; empty: there are none
  std::vector<MotionSet> sets;
  std::vector<DatabaseClip> clips;
  Tensor motion, text;  // (M, W), (C, W): normalised rows

  int64_t captions() const;
};

std::filesystem::path frames_path(const Database& database, int64_t clip);

// Errors (input) that begin with `where`: parts that do not fit together, features that are not rows of length 1.
void check_database(const Database& database, const std::string& where);

// Adds the clips of `more` behind those of `database`. Errors (input), which leave it as it is: another retriever or
// tokenizer, another width, and clips that are there already, by name.
void append(Database& database, const Database& more);

// Atomic, so growing a file is reading, appending and writing it.
void write_database(const std::filesystem::path& path, const Database& database);
// Errors (input): a damaged file, a file of something else, and a database of another retriever unless `retriever` is
// empty.
Database read_database(const std::filesystem::path& path, const std::string& retriever = "");

// What a clip's file, its mirror twin M + FILE and its sub-clips have in common: FILE without the letters M in front,
// nor those in front of its last part where the name has folders. Of two files whose names differ in nothing else one
// also leaves out the other.
std::string source_of(const std::string& file);

// ---- search
enum class Modality { text, motion };

struct Found {
  int64_t clip = 0, caption = 0;  // the caption is one of the clip's, from 0
  double score = 0;
  bool operator==(const Found&) const = default;
};

struct FindOptions {
  int64_t k = 1;  // clips; fewer come where fewer are allowed
  // (Q) or empty: the files of the queries, whose clips, mirror twins and sub-clips are left out; "": none are.
  std::vector<std::string> without = {};
  int32_t min_frames = 0, max_frames = 0;  // of what is found; 0: any
  std::function<bool(int64_t query, int64_t clip)> allowed = {};
};

class DatabaseSearch {
 public:
  explicit DatabaseSearch(Database database, Device device = Device::cpu, bool half_copy = false);  // as Index
  const Database& database() const { return database_; }

  // The best k clips, each once, of queries (Q, W) by keys of one modality: both of text, both of motions, or either by
  // the other.
  std::vector<std::vector<Found>> find(const Tensor& queries, Modality keys, const FindOptions& options) const;

  // By keys of the other modality than the queries', and by keys of the same: a clip that the first found is passed
  // over by the second, which takes the next.
  struct Both {
    std::vector<Found> cross, same;
  };
  std::vector<Both> find_both(const Tensor& queries, Modality of_queries, const FindOptions& options) const;

 private:
  Database database_;
  std::map<std::string, int32_t> sources_;
  std::vector<int64_t> first_caption_;  // (M + 1)
  std::vector<Index> index_;            // by text, by motion
};

}  // namespace kg
