// tests/golden/tokens.npz: ids of the reference tokenizers, see make_token_golden.py.
#pragma once

#include <zlib.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "data/formats/npz.h"
#include "data/text/tokenizer.h"
#include "data/text/unicode.h"
#include "tests/data/bad_input.h"

namespace kg {

struct TokenGolden {
  std::map<std::string, Tensor> arrays = read_npz(KG_TEST_DIR "/golden/tokens.npz");

  const Tensor& at(const std::string& name) const {
    const auto found = arrays.find(name);
    CHECK(found != arrays.end(), "[golden] no array ", name);
    return found->second;
  }
  std::vector<int> ints(const std::string& name) const {
    const Tensor& tensor = at(name);
    return {tensor.data<int32_t>(), tensor.data<int32_t>() + tensor.numel()};
  }
  std::string bytes(const std::string& name) const {
    const Tensor& tensor = at(name);
    return {reinterpret_cast<const char*>(tensor.data<uint8_t>()), size_t(tensor.numel())};
  }

  std::vector<std::string> texts() const { return parts<std::string>(bytes("texts"), ints("text_ends")); }
  std::vector<std::vector<int>> ids(const std::string& kind) const {
    return parts<std::vector<int>>(ints(kind + "_ids"), ints(kind + "_ends"));
  }

 private:
  template <class Part>
  static std::vector<Part> parts(const Part& all, const std::vector<int>& ends) {
    std::vector<Part> to;
    int begin = 0;
    for (const int end : ends) {
      to.emplace_back(all.begin() + begin, all.begin() + end);
      begin = end;
    }
    return to;
  }
};

// The odd strings through a tokenizer of a small vocabulary; `rows` maps its ids to those of the whole one, if given.
inline void expect_golden_ids(const Tokenizer& tokenizer, const std::string& kind, size_t max_length,
                              const std::vector<int>& rows = {}) {
  const TokenGolden golden;
  const auto texts = golden.texts();
  const auto want = golden.ids(kind);
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<int> got = tokenizer.encode(texts[i], max_length);
    for (int& id : got) id = rows.empty() ? id : rows.at(size_t(id));
    EXPECT_EQ(got, want[i]) << kind << " string " << i << ": " << texts[i].substr(0, 200);
  }
}

// Each caption of the shared data once, in order; empty when they are not there or not those of the golden file.
inline std::vector<std::string> shared_captions() {
  std::vector<std::string> captions;
  std::unordered_set<std::string> seen;
  const auto folder = shared_data();
  if (!folder) return captions;
  uLong crc = crc32(0, nullptr, 0);
  for (const char* name : {"humanml3d_captions.jsonl", "kitml_annotations.jsonl"}) {
    std::ifstream file(*folder / "texts" / name);
    for (std::string line; std::getline(file, line);) {
      const auto row = nlohmann::json::parse(line);
      for (const auto& caption : row["captions"]) {
        const auto text = caption.get<std::string>();
        if (!seen.insert(text).second) continue;
        captions.push_back(text);
        crc = crc32(crc, reinterpret_cast<const Bytef*>((text + "\n").data()), uInt(text.size() + 1));
      }
    }
  }
  const bool same = TokenGolden().ints("captions_crc").at(0) == static_cast<int32_t>(crc);
  if (!same) captions.clear();
  return captions;
}

// How many captions have other ids than the reference; prints the first few.
inline int count_different(const Tokenizer& tokenizer, const std::string& kind, size_t max_length,
                           const std::vector<std::string>& captions, const std::vector<int>& rows = {}) {
  const std::vector<int> want = TokenGolden().ints(kind + "_crc");
  EXPECT_EQ(want.size(), captions.size());
  int different = 0;
  for (size_t i = 0; i < captions.size(); ++i) {
    std::vector<int> ids = tokenizer.encode(captions[i], max_length);
    for (int& id : ids) id = rows.empty() ? id : rows.at(size_t(id));
    const uLong crc = crc32(0, reinterpret_cast<const Bytef*>(ids.data()), uInt(ids.size() * sizeof(int)));
    if (static_cast<int32_t>(crc) == want[i]) continue;
    if (++different <= 5) {
      ADD_FAILURE() << kind << ": " << captions[i] << "\nids " << ::testing::PrintToString(ids);
    }
  }
  return different;
}

// Random bytes, random characters, and megabytes of what is hard: ids in range between `first` and `last`, or an input
// error for what is not UTF-8. `first` < 0: there is none.
inline void expect_any_text_survives(const Tokenizer& tokenizer, int first, int last, int count = 20000) {
  std::mt19937 rng(1);
  const auto random = [&](int n) { return int(rng() % unsigned(n)); };
  const std::vector<std::string> bits = {
      "a",     "'",       "s",      " ",      "\n",         "&",      "amp;",   "#",     "<",    "|",
      "[SEP]", "e\u0301", "\u03a3", "\u4eba", "\U0001f600", "\u0130", "\uff21", "\x1b[", "</s>", "<extra_id_0>",
      "\x01"};
  const auto check = [&](const std::string& text, size_t max_length) {
    if (!accepted(
            [&](const std::string& bytes) {
              const std::vector<int> ids = tokenizer.encode(bytes, max_length);
              ASSERT_TRUE(!ids.empty() && ids.size() <= max_length);
              EXPECT_TRUE(first < 0 || ids.front() == first);
              EXPECT_EQ(ids.back(), last);
              for (const int id : ids) ASSERT_TRUE(id >= 0 && id < tokenizer.size());
            },
            text)) {
      return false;
    }
    return true;
  };
  int valid = 0;
  for (int i = 0; i < count; ++i) {
    std::string bytes(size_t(random(24)), ' '), characters, pieces;
    for (char& c : bytes) c = static_cast<char>(random(256));
    for (int k = random(20); k > 0; --k) {
      const auto c = char32_t(random(random(3) ? 0x3000 : 0x110000));
      append_utf8(characters, c >= 0xd800 && c < 0xe000 ? U'x' : c);
    }
    for (int k = random(20); k > 0; --k) pieces += bits[size_t(random(int(bits.size())))];
    valid += check(bytes, 2 + size_t(random(30)));
    EXPECT_TRUE(check(characters, 2 + size_t(random(30))));
    EXPECT_TRUE(check(pieces, 2 + size_t(random(30))));
  }
  EXPECT_GT(valid, 0);
  for (const std::string& bit : bits) {
    std::string text;
    while (text.size() < (bit == "a" || bit == "\u4eba" ? 1 << 20 : 1 << 17)) text += bit;
    EXPECT_TRUE(check(text, 1 << 24)) << bit;
  }
  std::string marks = "a";  // marks in the wrong order: sorting them must not be quadratic
  while (marks.size() < 1 << 20) marks += "\u0301\u0323";
  EXPECT_TRUE(check(marks, 64));
}

}  // namespace kg
