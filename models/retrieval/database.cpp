#include "models/retrieval/database.h"

#include <algorithm>
#include <set>
#include <utility>

#include "data/formats/checkpoint.h"
#include "data/formats/elements.h"
#include "tensor/error.h"
#include "tensor/ops.h"

namespace kg {
namespace {

constexpr const char* kKind = "motion_database";
constexpr const char* kRetriever = "database.retriever";
constexpr const char* kTokenizer = "database.tokenizer";

// ---- columns: strings are all bytes, one behind the other, with the length of each
void put_numbers(TensorFile& file, const std::string& name, const std::vector<int32_t>& numbers) {
  file.tensors.emplace_back(name, Tensor::from(numbers, {int64_t(numbers.size())}));
}
void put_strings(TensorFile& file, const std::string& name, const std::vector<std::string>& strings) {
  std::vector<uint8_t> bytes;
  std::vector<int32_t> lengths;
  for (const std::string& s : strings) {
    bytes.insert(bytes.end(), s.begin(), s.end());
    lengths.push_back(int32_t(s.size()));
  }
  file.tensors.emplace_back(name, Tensor::from(bytes, {int64_t(bytes.size())}));
  put_numbers(file, name + ".lengths", lengths);
}

struct Reader {
  const TensorFile& file;
  const std::string where;

  const Tensor& tensor(const std::string& name, Dtype dtype, int rank) const {
    const Tensor* found = file.find(name);
    CHECK_INPUT(found && found->dtype() == dtype && found->rank() == rank, where, " has no ", rank, "-d ",
                name_of(dtype), " tensor ", name, ": it is not a whole database");
    return *found;
  }
  std::vector<int32_t> numbers(const std::string& name) const {
    const Tensor& t = tensor(name, Dtype::i32, 1);
    return {t.data<int32_t>(), t.data<int32_t>() + t.numel()};
  }
  std::vector<int32_t> numbers(const std::string& name, size_t count) const {
    std::vector<int32_t> all = numbers(name);
    CHECK_INPUT(all.size() == count, where, ": ", name, " has ", all.size(), " numbers, expected ", count);
    return all;
  }
  // Cuts `total` things into pieces of these lengths: use(i, begin, end).
  template <class Use>
  void cut(const std::vector<int32_t>& lengths, int64_t total, const std::string& name, Use use) const {
    int64_t at = 0;
    for (size_t i = 0; i < lengths.size(); ++i) {
      CHECK_INPUT(lengths[i] >= 0 && lengths[i] <= total - at, where, ": ", name, " ", i, " has length ", lengths[i],
                  ", ", total - at, " are left of ", total);
      use(i, at, at + lengths[i]);
      at += lengths[i];
    }
    CHECK_INPUT(at == total, where, ": the lengths of ", name, " add up to ", at, ", expected ", total);
  }
  std::vector<std::string> strings(const std::string& name) const {
    const Tensor& bytes = tensor(name, Dtype::u8, 1);
    const char* from = reinterpret_cast<const char*>(bytes.data<uint8_t>());
    const std::vector<int32_t> lengths = numbers(name + ".lengths");
    std::vector<std::string> all(lengths.size());
    cut(lengths, bytes.numel(), name,
        [&](size_t i, int64_t begin, int64_t end) { all[i].assign(from + begin, from + end); });
    return all;
  }
  std::string metadata(const char* key) const {
    const auto found = file.metadata.find(key);
    CHECK_INPUT(found != file.metadata.end(), where, " has no ", key, " in its metadata: it is not a whole database");
    return found->second;
  }
};

// A column of a member of all clips.
template <class T>
std::vector<T> column(const std::vector<DatabaseClip>& clips, T DatabaseClip::*member) {
  std::vector<T> all;
  for (const DatabaseClip& clip : clips) all.push_back(clip.*member);
  return all;
}

void check_features(const Tensor& x, int64_t rows, int64_t width, const std::string& what) {
  CHECK_INPUT(x.defined() && x.rank() == 2 && x.dtype() == Dtype::f32 && x.size(0) == rows && x.size(1) == width, what,
              " features must be ", Shape{rows, width}, " f32, are ", x.defined() ? x.shape() : Shape{});
}

// At most five names, for a message.
std::string some_of(const std::vector<std::string>& names) {
  std::vector<std::string> first;
  for (size_t i = 0; i < names.size() && i < 5; ++i) first.push_back(printable(names[i]));
  return joined(first) + (names.size() > 5 ? " and " + std::to_string(names.size() - 5) + " more" : "");
}

// Without the letters M at `at`.
void strip_mirror(std::string& name, size_t at) {
  name.erase(at, std::min(name.find_first_not_of('M', at), name.size()) - at);
}

}  // namespace

int64_t Database::captions() const {
  int64_t count = 0;
  for (const DatabaseClip& clip : clips) count += int64_t(clip.captions.size());
  return count;
}

std::filesystem::path frames_path(const Database& database, int64_t clip) {
  const DatabaseClip& c = database.clips.at(size_t(clip));
  return std::filesystem::path(database.sets.at(size_t(c.set)).path) / "new_joint_vecs" / (c.file + ".npy");
}

void check_database(const Database& db, const std::string& where) {
  CHECK_INPUT(!db.retriever.empty(), where, " does not say which retriever made it");
  std::set<std::string> names;
  for (const DatabaseClip& clip : db.clips) {
    const std::string at = where + ": clip " + printable(clip.name);
    CHECK_INPUT(!clip.name.empty() && names.insert(clip.name).second, at,
                clip.name.empty() ? " has no name" : " comes twice");
    CHECK_INPUT(!clip.file.empty() && clip.set >= 0 && size_t(clip.set) < db.sets.size(), at, " is of set ", clip.set,
                " and file \"", printable(clip.file), "\", there are ", db.sets.size(), " sets");
    CHECK_INPUT(clip.begin >= 0 && clip.frames > 0, at, " begins at frame ", clip.begin, " and has ", clip.frames);
    CHECK_INPUT(!clip.captions.empty(), at, " has no caption");
    CHECK_INPUT(clip.tokens.empty() || !db.tokenizer.empty(), at, " has tokens, but no tokenizer is named");
  }
  CHECK_INPUT(db.motion.defined() && db.motion.rank() == 2, where, " has no motion features (M, W)");
  check_features(db.motion, int64_t(db.clips.size()), db.motion.size(1), where + ": motion");
  check_features(db.text, db.captions(), db.motion.size(1), where + ": text");
}

void append(Database& db, const Database& more) {
  const std::string where = "[database] what is added";
  check_database(db, "[database] what is there");
  check_database(more, where);
  CHECK_INPUT(more.retriever == db.retriever, where, " was made by retriever ", printable(more.retriever),
              ", the database by ", printable(db.retriever),
              ": their features cannot be compared; build a new database");
  CHECK_INPUT(more.tokenizer == db.tokenizer, where, " has tokens of \"", printable(more.tokenizer),
              "\", the database of \"", printable(db.tokenizer), "\"; both must have the same, or none");
  CHECK_INPUT(more.motion.size(1) == db.motion.size(1), where, " has features of ", more.motion.size(1),
              " numbers, the database of ", db.motion.size(1));
  std::set<std::string> names;
  for (const DatabaseClip& clip : db.clips) names.insert(clip.name);
  std::vector<std::string> twice;
  for (const DatabaseClip& clip : more.clips)
    if (names.contains(clip.name)) twice.push_back(clip.name);
  CHECK_INPUT(twice.empty(), where, " has ", twice.size(), " clips that are there already: ", some_of(twice));
  Database grown = db;
  std::vector<int32_t> place;  // of the added sets
  for (const MotionSet& set : more.sets) {
    const auto found = std::find(grown.sets.begin(), grown.sets.end(), set);
    place.push_back(int32_t(found - grown.sets.begin()));
    if (found == grown.sets.end()) grown.sets.push_back(set);
  }
  for (DatabaseClip clip : more.clips) {
    clip.set = place[size_t(clip.set)];
    grown.clips.push_back(std::move(clip));
  }
  grown.motion = concat(std::vector<Tensor>{db.motion, more.motion}, 0);
  grown.text = concat(std::vector<Tensor>{db.text, more.text}, 0);
  db = std::move(grown);
}

void write_database(const std::filesystem::path& path, const Database& db) {
  check_database(db, "[database] " + path.string());
  TensorFile file;
  file.metadata[kRetriever] = db.retriever;
  file.metadata[kTokenizer] = db.tokenizer;
  file.tensors.emplace_back("motion", db.motion);
  file.tensors.emplace_back("text", db.text);
  std::vector<std::string> paths, hashes, captions;
  for (const MotionSet& set : db.sets) paths.push_back(set.path), hashes.push_back(set.hash);
  std::vector<int32_t> caption_counts, token_counts, tokens;
  for (const DatabaseClip& clip : db.clips) {
    captions.insert(captions.end(), clip.captions.begin(), clip.captions.end());
    caption_counts.push_back(int32_t(clip.captions.size()));
    tokens.insert(tokens.end(), clip.tokens.begin(), clip.tokens.end());
    token_counts.push_back(int32_t(clip.tokens.size()));
  }
  put_strings(file, "set.path", paths);
  put_strings(file, "set.hash", hashes);
  put_strings(file, "clip.name", column(db.clips, &DatabaseClip::name));
  put_strings(file, "clip.file", column(db.clips, &DatabaseClip::file));
  put_numbers(file, "clip.set", column(db.clips, &DatabaseClip::set));
  put_numbers(file, "clip.begin", column(db.clips, &DatabaseClip::begin));
  put_numbers(file, "clip.frames", column(db.clips, &DatabaseClip::frames));
  put_numbers(file, "clip.captions", caption_counts);
  put_strings(file, "caption", captions);
  put_numbers(file, "clip.tokens", token_counts);
  put_numbers(file, "token", tokens);
  write_checkpoint(path, kKind, std::move(file));
}

Database read_database(const std::filesystem::path& path, const std::string& retriever) {
  const TensorFile file = read_checkpoint(path, kKind);
  const Reader in{file, path.string()};
  Database db{in.metadata(kRetriever), in.metadata(kTokenizer), {}, {}, {}, {}};
  CHECK_INPUT(retriever.empty() || db.retriever == retriever, in.where, " was made by retriever ",
              printable(db.retriever), ", this one is ", printable(retriever),
              ": its features cannot be compared; build the database again");
  const std::vector<std::string> paths = in.strings("set.path"), hashes = in.strings("set.hash");
  CHECK_INPUT(paths.size() == hashes.size(), in.where, " has ", paths.size(), " sets and ", hashes.size(), " hashes");
  for (size_t i = 0; i < paths.size(); ++i) db.sets.push_back({paths[i], hashes[i]});
  const std::vector<std::string> names = in.strings("clip.name"), files = in.strings("clip.file");
  const size_t n = names.size();
  CHECK_INPUT(files.size() == n, in.where, " has ", n, " clips and ", files.size(), " files");
  const std::vector<int32_t> set = in.numbers("clip.set", n), begin = in.numbers("clip.begin", n),
                             frames = in.numbers("clip.frames", n), tokens = in.numbers("token");
  for (size_t i = 0; i < n; ++i) db.clips.push_back({names[i], files[i], set[i], begin[i], frames[i], {}, {}});
  const std::vector<std::string> captions = in.strings("caption");
  in.cut(
      in.numbers("clip.captions", n), int64_t(captions.size()), "captions of clip",
      [&](size_t i, int64_t b, int64_t e) { db.clips[i].captions.assign(captions.begin() + b, captions.begin() + e); });
  in.cut(in.numbers("clip.tokens", n), int64_t(tokens.size()), "tokens of clip",
         [&](size_t i, int64_t b, int64_t e) { db.clips[i].tokens.assign(tokens.begin() + b, tokens.begin() + e); });
  db.motion = in.tensor("motion", Dtype::f32, 2);
  db.text = in.tensor("text", Dtype::f32, 2);
  check_database(db, in.where);
  return db;
}

std::string source_of(const std::string& file) {
  std::string name = file;
  strip_mirror(name, 0);
  if (const size_t slash = name.rfind('/'); slash != name.npos) strip_mirror(name, slash + 1);
  return name;
}

// ---- search

DatabaseSearch::DatabaseSearch(Database database, Device device, bool half_copy) : database_(std::move(database)) {
  check_database(database_, "[database]");
  RowLabels motion, text;
  first_caption_ = {0};
  for (const DatabaseClip& clip : database_.clips) {
    const int32_t number = int32_t(motion.source.size());
    const int32_t source = sources_.emplace(source_of(clip.file), int32_t(sources_.size())).first->second;
    motion.source.push_back(source);
    text.source.insert(text.source.end(), clip.captions.size(), source);
    text.clip.insert(text.clip.end(), clip.captions.size(), number);
    first_caption_.push_back(int64_t(text.clip.size()));
  }
  index_.emplace_back(database_.text, std::move(text), device, half_copy);
  index_.emplace_back(database_.motion, std::move(motion), device, half_copy);
}

std::vector<std::vector<Found>> DatabaseSearch::find(const Tensor& queries, Modality keys,
                                                     const FindOptions& options) const {
  SearchOptions search;
  search.k = options.k;
  search.one_per_clip = keys == Modality::text;
  for (const std::string& file : options.without) {
    const auto found = file.empty() ? sources_.end() : sources_.find(source_of(file));
    search.without_source.push_back(found == sources_.end() ? -1 : found->second);
  }
  const auto clip_of = [&](int64_t row) {
    if (keys == Modality::motion) return row;
    return int64_t(std::upper_bound(first_caption_.begin(), first_caption_.end(), row) - first_caption_.begin()) - 1;
  };
  if (options.allowed || options.min_frames > 0 || options.max_frames > 0)
    search.allowed = [&](int64_t query, int64_t row) {
      const int64_t clip = clip_of(row);
      const int32_t frames = database_.clips[size_t(clip)].frames;
      return frames >= options.min_frames && (options.max_frames <= 0 || frames <= options.max_frames) &&
             (!options.allowed || options.allowed(query, clip));
    };
  std::vector<std::vector<Found>> found;
  for (const Hits& hits : index_[size_t(keys)].search(queries, search)) {
    found.emplace_back();
    for (const Hit& hit : hits)
      found.back().push_back(
          {hit.clip, keys == Modality::text ? hit.row - first_caption_[size_t(hit.clip)] : 0, hit.score});
  }
  return found;
}

std::vector<DatabaseSearch::Both> DatabaseSearch::find_both(const Tensor& queries, Modality of_queries,
                                                            const FindOptions& options) const {
  const Modality other = of_queries == Modality::text ? Modality::motion : Modality::text;
  const std::vector<std::vector<Found>> cross = find(queries, other, options);
  FindOptions more = options;
  more.k = 2 * options.k;  // so that k are left if the first found them all
  std::vector<std::vector<Found>> same = find(queries, of_queries, more);
  std::vector<Both> both;
  for (size_t i = 0; i < cross.size(); ++i) {
    std::erase_if(same[i], [&](const Found& s) {
      return std::any_of(cross[i].begin(), cross[i].end(), [&](const Found& c) { return c.clip == s.clip; });
    });
    if (int64_t(same[i].size()) > options.k) same[i].resize(size_t(options.k));
    both.push_back({cross[i], std::move(same[i])});
  }
  return both;
}

}  // namespace kg
