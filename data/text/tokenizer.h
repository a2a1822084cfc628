// Tokenizer: a text to the ids that a pretrained text encoder reads. What all of them keep to:
// - A text must be UTF-8; any other is an Error (input) that names the byte. An empty text is its special tokens alone.
// - The ids are those of the reference implementation, special tokens included, and are not padded.
// - A text with more than max_length ids loses its end: the last id is always the special token that ends a text.
// - The time is linear in the text, up to a logarithm: a megabyte is well.
// - Special tokens that are spelled out in a text ("[SEP]", "<|endoftext|>", "</s>") become these tokens, as there.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kg {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // At least the special tokens must fit into max_length.
  virtual std::vector<int> encode(std::string_view text, size_t max_length) const = 0;
  virtual int size() const = 0;               // ids are 0 ... size - 1: rows of the embedding table
  virtual int pad() const = 0;                // what fills a batch behind the shorter texts
  virtual int unknown() const { return -1; }  // what stands for a word that no piece fits; -1: every text has pieces
  // What its files say about the reading of a text, as it is in force: "lower_case", ...
  virtual std::map<std::string, bool> settings() const { return {}; }
};

}  // namespace kg
