// Captions: the lines of HumanML3D's texts/NAME.txt, and the table that comes with a folder of own captures.
//   texts/NAME.txt   a man kicks.#a/DET man/NOUN kick/VERB#0.0#0.0      caption, tagged words, start, end (seconds);
//                    further fields are ignored
//   table            name <tab> source <tab> start <tab> end <tab> caption, or name <tab> caption; header line optional
// Start and end 0 mean the whole clip.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kg {

struct Caption {
  std::string text;
  std::vector<std::string> tokens;  // word/TAG
  double start = 0, end = 0;        // seconds
  bool whole() const { return start == 0 && end == 0; }
};

// The captions of one file. Lines that are not well formed are described in `bad` and left out; without `bad` the first
// is an input error.
std::vector<Caption> parse_captions(std::string_view text, const std::string& file,
                                    std::vector<std::string>* bad = nullptr);
std::string format_captions(const std::vector<Caption>& captions);

// Gives parts of speech to captions that nobody has tagged: without tokens, or OTHER everywhere. Returns how many.
int tag_untagged(std::vector<Caption>& captions);

// A caption for the mirrored motion: left and right, clockwise and counterclockwise exchanged.
std::string mirrored_text(const std::string& caption);

struct CaptionRow {
  std::string name, source, caption;
  double start = 0, end = 0;
  std::string file = "";  // where it stands
  int line = 0;
};
std::vector<CaptionRow> parse_caption_table(std::string_view text, const std::string& file);
std::vector<CaptionRow> read_caption_table(const std::filesystem::path& path);

}  // namespace kg
