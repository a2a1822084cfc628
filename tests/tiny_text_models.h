// Folders as the public text encoders come in, with random weights of a few channels:
// config.json, vocabulary and model.safetensors.
#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/formats/safetensors.h"
#include "data/text/unicode.h"
#include "models/text/bert.h"
#include "models/text/clip.h"

namespace kg {

inline void write_text(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

// Every byte, every byte at the end of a word, four merges, start, end: 518 tokens.
inline nlohmann::json tiny_clip_vocabulary() {
  nlohmann::json ids;
  int next = 0;
  for (const char* end : {"", "</w>"})
    for (const bool itself : {true, false}) {
      char32_t other = 0x100;  // what cannot be printed is written as a character from here on
      for (int b = 0; b < 256; ++b) {
        const bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
        if (printable == itself) ids[to_utf8(std::u32string(1, itself ? char32_t(b) : other++)) + end] = next++;
      }
    }
  for (const char* piece : {"wa", "lk", "walk", "walks</w>", "<|startoftext|>", "<|endoftext|>"}) ids[piece] = next++;
  return ids;
}

inline ClipTextConfig tiny_clip_config() {
  ClipTextConfig c;
  c.vocabulary = 518, c.width = 64, c.layers = 2, c.heads = 1, c.feedforward = 32, c.positions = 24, c.projection = 12;
  return c;
}
// Without a config.json: heads are 64 wide.
inline void write_tiny_clip(const std::filesystem::path& folder, uint64_t seed = 1) {
  std::filesystem::create_directories(folder);
  write_text(folder / "vocab.json", tiny_clip_vocabulary().dump());
  write_text(folder / "merges.txt", "#version: 0.2\nw a\nl k\nwa lk\nwalk s</w>\n");
  default_generator() = {seed, 0};
  write_safetensors(folder / "model.safetensors", {ClipText(tiny_clip_config()).state_dict(), {}});
}

inline BertConfig tiny_bert_config(bool distil) {
  BertConfig c;
  c.distil = distil, c.pooler = !distil, c.token_types = distil ? 0 : 2;
  c.vocabulary = 14, c.width = 16, c.layers = 2, c.heads = 4, c.feedforward = 24, c.positions = 20;
  return c;
}
inline void write_tiny_bert(const std::filesystem::path& folder, bool distil, uint64_t seed = 1) {
  std::filesystem::create_directories(folder);
  write_text(folder / "vocab.txt",
             "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nperson\nman\nwalk\n##s\nforward\njump\n,\n.\n");
  write_text(folder / "config.json", distil ? R"({"model_type": "distilbert", "n_heads": 4, "activation": "gelu"})"
                                            : R"({"model_type": "bert", "num_attention_heads": 4})");
  default_generator() = {seed, 0};
  write_safetensors(folder / "model.safetensors", {Bert(tiny_bert_config(distil)).state_dict(), {}});
}

}  // namespace kg
