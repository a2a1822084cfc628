// The database: what it holds after a round trip, growth, refusals and damage, and what is found in all four directions.
#include "models/retrieval/database.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "data/formats/checkpoint.h"
#include "tensor/ops.h"
#include "tests/data/bad_input.h"

namespace kg {
namespace {

constexpr int64_t kWidth = 6;

Tensor unit(int64_t n, uint64_t stream) {
  const Tensor x = Tensor::empty({n, kWidth});
  fill_normal(x, 0, 1, {6, stream});
  return normalised_rows(x, "x");
}

DatabaseClip clip(const std::string& name, const std::string& file, int captions, int32_t frames = 60) {
  DatabaseClip c{name, file, 0, 0, frames, {}, {1, frames}};
  for (int i = 0; i < captions; ++i) c.captions.push_back(name + ", caption " + std::to_string(i));
  return c;
}

// Clips 0 to 4: one, its mirror twin, a sub-clip of it, and two others; 8 captions.
Database five() {
  Database db{"retriever 1", "tokenizer 1", {{"set", "a1"}}, {}, unit(5, 1), unit(8, 2)};
  db.clips = {clip("000001", "000001", 3), clip("M000001", "M000001", 2), clip("A_000001", "000001", 1, 40),
              clip("000002", "000002", 1), clip("000003", "000003", 1, 90)};
  db.clips[2].begin = 20;
  db.clips[3].tokens.clear();
  return db;
}

Database two_more() {
  Database db{"retriever 1", "tokenizer 1", {{"other", "b2"}, {"set", "a1"}}, {}, unit(2, 3), unit(3, 4)};
  db.clips = {clip("walk", "walk", 2), clip("000004", "000004", 1)};
  db.clips[1].set = 1;
  return db;
}

void expect_equal(const Database& got, const Database& want) {
  EXPECT_EQ(got.retriever, want.retriever);
  EXPECT_EQ(got.tokenizer, want.tokenizer);
  EXPECT_EQ(got.sets, want.sets);
  EXPECT_EQ(got.clips, want.clips);
  EXPECT_EQ(got.motion.to_vector(), want.motion.to_vector());
  EXPECT_EQ(got.text.to_vector(), want.text.to_vector());
}

TEST(MotionDatabase, RoundTrips) {
  const TemporaryFolder folder;
  write_database(folder / "a", five());
  expect_equal(read_database(folder / "a", "retriever 1"), five());
  EXPECT_EQ(checkpoint_kind(folder / "a"), "motion_database");
  EXPECT_EQ(frames_path(five(), 2), "set/new_joint_vecs/000001.npy");
  Database bare = five();
  bare.tokenizer = "";
  for (DatabaseClip& c : bare.clips) c.tokens.clear();
  write_database(folder / "b", bare);
  expect_equal(read_database(folder / "b"), bare);
  Database empty{"r", "", {}, {}, Tensor::empty({0, 4}), Tensor::empty({0, 4})};
  write_database(folder / "c", empty);
  expect_equal(read_database(folder / "c"), empty);
}

TEST(MotionDatabase, GrowsAtItsEnd) {
  const TemporaryFolder folder;
  write_database(folder / "a", five());
  Database db = read_database(folder / "a");
  append(db, two_more());
  write_database(folder / "a", db);
  const Database grown = read_database(folder / "a");
  ASSERT_EQ(grown.clips.size(), 7u);
  EXPECT_EQ(grown.captions(), 11);
  const Database old = five(), added = two_more();
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(grown.clips[i], old.clips[i]);
  EXPECT_EQ(std::memcmp(grown.motion.raw(), old.motion.raw(), size_t(old.motion.bytes())), 0);
  EXPECT_EQ(std::memcmp(grown.text.raw(), old.text.raw(), size_t(old.text.bytes())), 0);
  EXPECT_EQ(grown.motion.slice(0, 5, 7).to_vector(), added.motion.to_vector());
  EXPECT_EQ(grown.text.slice(0, 8, 11).to_vector(), added.text.to_vector());
  EXPECT_EQ(grown.sets, (std::vector<MotionSet>{{"set", "a1"}, {"other", "b2"}})) << "a set that is there is not added";
  EXPECT_EQ(frames_path(grown, 5), "other/new_joint_vecs/walk.npy");
  EXPECT_EQ(frames_path(grown, 6), "set/new_joint_vecs/000004.npy");
}

TEST(MotionDatabase, RefusesWhatDoesNotFit) {
  const TemporaryFolder folder;
  write_database(folder / "a", five());
  expect_input_error([&] { read_database(folder / "a", "retriever 2"); }, (folder / "a").string(),
                     "was made by retriever retriever 1, this one is retriever 2");
  const auto refused = [](const std::function<void(Database&)>& change, const std::string& part) {
    Database db = five(), more = two_more();
    change(more);
    expect_input_error([&] { append(db, more); }, "[database] what is added", part);
    expect_equal(db, five());
  };
  refused([](Database& m) { m.retriever = "retriever 2"; },
          "made by retriever retriever 2, the database by retriever 1");
  refused([](Database& m) { m.tokenizer = "tokenizer 2"; }, "has tokens of \"tokenizer 2\"");
  refused([](Database& m) { m.clips[1].name = "000002"; }, "1 clips that are there already: 000002");
  refused([](Database& m) { m.clips[1].name = "walk"; }, "clip walk comes twice");
  refused([](Database& m) { m.clips[0].set = 2; }, "clip walk is of set 2");
  refused([](Database& m) { m.clips[0].captions.clear(); }, "clip walk has no caption");
  refused([](Database& m) { m.clips[0].captions.pop_back(); }, "text features must be (2, 6) f32, are (3, 6)");
  refused([](Database& m) { m.clips[0].frames = 0; }, "clip walk begins at frame 0 and has 0");
  refused([](Database& m) { m.tokenizer = ""; }, "clip walk has tokens, but no tokenizer is named");
  refused([](Database& m) { m.motion = m.motion.slice(1, 0, 5).contiguous(); }, "features must be");
  refused([](Database& m) { m.retriever = ""; }, "does not say which retriever");
  Database bad = five();
  bad.motion.data<float>()[0] = std::nanf("");
  expect_input_error([&] { DatabaseSearch{bad}; }, "[index] rows: row 0", "not finite");
}

TEST(MotionDatabase, DamageIsFound) {
  const TemporaryFolder folder;
  write_database(folder / "a", five());
  const std::string bytes = read_file(folder / "a", 1 << 20);
  const ParseFunction parse = [&](const std::string& changed) {
    write_file_atomically(folder / "b", changed, false);
    read_database(folder / "b", "retriever 1");
  };
  ASSERT_TRUE(accepted(parse, bytes));
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  // Every byte of the header, a few of the tensors.
  for (size_t i = 0; i < bytes.size(); i += i < 8 + header ? 1 : 37) {
    std::string changed = bytes;
    changed[i] = char(changed[i] ^ (1 << i % 8));
    EXPECT_FALSE(accepted(parse, changed)) << "byte " << i;
  }
  for (size_t n = 0; n < bytes.size(); n += n < 64 ? 1 : 97) EXPECT_FALSE(accepted(parse, bytes.substr(0, n))) << n;
}

// Files with a right checksum and wrong columns.
TEST(MotionDatabase, WrongColumnsAreNamed) {
  const TemporaryFolder folder;
  write_database(folder / "a", five());
  const auto refused = [&](const std::string& name, const Tensor& value, const std::string& part) {
    TensorFile file = read_checkpoint(folder / "a", "motion_database");
    std::erase_if(file.tensors, [&](const auto& t) { return t.first == name; });
    if (value.defined()) file.tensors.emplace_back(name, value);
    write_checkpoint(folder / "b", "motion_database", std::move(file));
    expect_input_error([&] { read_database(folder / "b"); }, (folder / "b").string(), part);
  };
  const auto numbers = [](const std::vector<int32_t>& n) { return Tensor::from(n, {int64_t(n.size())}); };
  for (const char* name : {"motion", "text", "set.path", "set.hash.lengths", "clip.name", "clip.file", "clip.set",
                           "clip.frames", "clip.captions", "caption", "caption.lengths", "clip.tokens", "token"})
    refused(name, {}, std::string("tensor ") + name + ": it is not a whole database");
  refused("clip.frames", numbers({1, 2}), "clip.frames has 2 numbers, expected 5");
  refused("clip.captions", numbers({3, 2, 1, 1, 2}), "captions of clip 4 has length 2, 1 are left of 8");
  refused("clip.captions", numbers({3, 2, 1, 1, 0}), "the lengths of captions of clip add up to 7, expected 8");
  refused("clip.tokens", numbers({2, -1, 2, 0, 2}), "tokens of clip 1 has length -1");
  refused("set.hash.lengths", numbers({1, 1}), "1 sets and 2 hashes");
  refused("clip.set", numbers({0, 0, 0, -1, 0}), "clip 000002 is of set -1");
  refused("motion", Tensor::zeros({5}), "no 2-d f32 tensor motion");
  refused("motion", unit(4, 1), "motion features must be (5, 6) f32, are (4, 6)");
  write_checkpoint(folder / "c", "vqvae", {});
  expect_input_error([&] { read_database(folder / "c"); }, (folder / "c").string(), "holds a vqvae");
}

TEST(MotionDatabase, SourcesOfFiles) {
  EXPECT_EQ(source_of("000001"), "000001");
  EXPECT_EQ(source_of("M000001"), "000001");
  EXPECT_EQ(source_of("MMarch"), source_of("March"));
  EXPECT_EQ(source_of("Mdance/sub/clip"), "dance/sub/clip");
  EXPECT_EQ(source_of("dance/sub/Mclip"), "dance/sub/clip");
  EXPECT_EQ(source_of("MM"), "");
  EXPECT_EQ(source_of(""), "");
}

std::vector<int64_t> clips_of(const std::vector<Found>& found) {
  std::vector<int64_t> clips;
  for (const Found& f : found) clips.push_back(f.clip);
  return clips;
}

TEST(MotionDatabase, FindsInAllDirections) {
  const DatabaseSearch search(five());
  const Tensor& text = search.database().text;
  FindOptions o;
  o.k = 5;
  // The query is the feature of caption 4, the second of clip 1.
  const Tensor query = text.slice(0, 4, 5);
  const std::vector<Found> by_text = search.find(query, Modality::text, o)[0];
  ASSERT_EQ(by_text.size(), 5u) << "each clip once";
  EXPECT_EQ(by_text[0].clip, 1);
  EXPECT_EQ(by_text[0].caption, 1);
  EXPECT_NEAR(by_text[0].score, 1, 1e-6);
  const std::vector<Found> by_motion = search.find(query, Modality::motion, o)[0];
  ASSERT_EQ(by_motion.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(by_motion[i].caption, 0) << "a motion goes with its first caption";
    const float* row = search.database().motion.data<float>() + by_motion[i].clip * kWidth;
    EXPECT_EQ(by_motion[i].score, exact_score(query.contiguous().data<float>(), row, kWidth));
    if (i > 0) {
      EXPECT_LE(by_motion[i].score, by_motion[i - 1].score);
    }
  }
  const Tensor motion = search.database().motion.slice(0, 3, 4);
  EXPECT_EQ(search.find(motion, Modality::motion, o)[0][0].clip, 3);
  EXPECT_EQ(search.find(motion, Modality::text, o)[0].size(), 5u);
}

TEST(MotionDatabase, LeavesOutTheClipItsTwinAndItsParts) {
  const DatabaseSearch search(five());
  const Tensor queries = unit(3, 9);
  FindOptions o;
  o.k = 5;
  o.without = {"M000001", "", "not in it"};
  for (const Modality keys : {Modality::text, Modality::motion}) {
    const std::vector<std::vector<Found>> found = search.find(queries, keys, o);
    std::vector<int64_t> clips = clips_of(found[0]);
    std::sort(clips.begin(), clips.end());
    EXPECT_EQ(clips, (std::vector<int64_t>{3, 4}));
    EXPECT_EQ(found[1].size(), 5u);
    EXPECT_EQ(found[2].size(), 5u);
  }
  o.min_frames = 50, o.max_frames = 70;
  o.allowed = [](int64_t query, int64_t clip) { return query != 1 || clip != 0; };
  for (const Modality keys : {Modality::text, Modality::motion}) {
    const std::vector<std::vector<Found>> found = search.find(queries, keys, o);
    EXPECT_EQ(clips_of(found[0]), (std::vector<int64_t>{3}));
    EXPECT_EQ(found[1].size(), 2u) << "clips 1 and 3";
    EXPECT_EQ(found[2].size(), 3u) << "clips 0, 1 and 3";
  }
}

TEST(MotionDatabase, TheSecondKeyTakesTheNextClip) {
  Database db = five();
  db.motion.select(0, 4).copy_from(db.text.select(0, 7));  // clip 4 is the best by both keys
  const Tensor query = db.text.slice(0, 7, 8).clone();
  const DatabaseSearch search(std::move(db));
  FindOptions o;
  o.k = 2;
  const DatabaseSearch::Both both = search.find_both(query, Modality::text, o)[0];
  ASSERT_EQ(both.cross.size(), 2u);
  ASSERT_EQ(both.same.size(), 2u);
  EXPECT_EQ(both.cross[0].clip, 4);
  o.k = 5;
  std::vector<Found> want = search.find(query, Modality::text, o)[0];
  EXPECT_EQ(want[0].clip, 4);
  std::erase_if(want, [&](const Found& f) { return f.clip == both.cross[0].clip || f.clip == both.cross[1].clip; });
  want.resize(2);
  EXPECT_EQ(both.same, want);
  o.k = 4;
  EXPECT_EQ(search.find_both(query, Modality::motion, o)[0].same.size(), 1u) << "only five clips are there";
}

}  // namespace
}  // namespace kg
